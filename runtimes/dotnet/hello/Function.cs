using System.Text.Json;

namespace Hello
{
    public class Function
    {
        public object Greet(JsonElement name)
        {
            return new { message = "Hello, " + name.GetProperty("name").GetString() + "!" };
        }
    }
}
