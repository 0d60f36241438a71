/** Records: from Java 16 on. */
public class Records {
    public record Point(int x, String name) {}

    public Point point(Point event) {
        return new Point(event.x() + 1, event.name());
    }
}
