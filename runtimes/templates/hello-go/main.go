// A first function: greets whoever the event names.
package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Name string `json:"name"`
}

type answer struct {
	Message string `json:"message"`
}

func greet(_ context.Context, e event) (answer, error) {
	if e.Name == "" {
		e.Name = "world"
	}
	fmt.Printf("Greeting %s.\n", e.Name)
	return answer{Message: fmt.Sprintf("Hello, %s!", e.Name)}, nil
}

func main() {
	lambda.Start(greet)
}
