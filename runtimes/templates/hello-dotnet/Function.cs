// A first function: greets whoever the event names.
using Amazon.Lambda.Core;

[assembly: LambdaSerializer(typeof(Amazon.Lambda.Serialization.SystemTextJson.DefaultLambdaJsonSerializer))]

namespace Example;

public class Function
{
    public Dictionary<string, string> Greet(Dictionary<string, string> request, ILambdaContext context)
    {
        var name = request.GetValueOrDefault("name", "world");
        context.Logger.LogLine($"Greeting {name}.");
        return new Dictionary<string, string> { ["message"] = $"Hello, {name}!" };
    }
}
