import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What is made of JSON, and JSON of what. */
public class Beans {
    public enum Colour {
        RED {
            @Override
            public String toString() {
                return "a warm one";
            }
        },
        BLUE
    }

    /** By getters and setters. */
    public static class Bean {
        private String name;
        private Integer age;
        private boolean on;
        private List<String> tags;
        private Colour colour;
        private Date when;
        private byte[] raw;
        private String url;
        public String open;
        public transient int unseen = 5;

        public String getName() {
            return name;
        }

        public void setName(String value) {
            name = value;
        }

        public Integer getAge() {
            return age;
        }

        public void setAge(Integer value) {
            age = value;
        }

        public boolean isOn() {
            return on;
        }

        public void setOn(boolean value) {
            on = value;
        }

        public List<String> getTags() {
            return tags;
        }

        public void setTags(List<String> value) {
            tags = value;
        }

        public Colour getColour() {
            return colour;
        }

        public void setColour(Colour value) {
            colour = value;
        }

        public Date getWhen() {
            return when;
        }

        public void setWhen(Date value) {
            when = value;
        }

        public byte[] getRaw() {
            return raw;
        }

        public void setRaw(byte[] value) {
            raw = value;
        }

        public String getURL() {
            return url;
        }

        public void setURL(String value) {
            url = value;
        }
    }

    public Bean bean(Bean event) {
        return event;
    }

    public Object number(int event) {
        return event;
    }

    public Object texts(String[] event) {
        return event;
    }

    public Object values(Object event) {
        return Arrays.asList(Optional.of(1), Optional.empty(), Colour.RED, Collections.singletonMap(Colour.RED, 1), 'c',
                new char[] {'a', 'b'}, new byte[] {1, 2}, new Date(1234), Instant.ofEpochMilli(1500),
                Duration.ofSeconds(2), LocalDate.of(2026, 1, 2), Double.NaN, String.class, "\u0001<é>");
    }

    public Object endless(Object event) {
        List<Object> list = new java.util.ArrayList<>();
        list.add(list);
        return list;
    }
}
