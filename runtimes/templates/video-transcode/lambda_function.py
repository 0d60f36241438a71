"""Transcodes a video with ffmpeg: reads a source, writes a smaller WebM or MP4 to /tmp.

`source` is a URL or a file; without one ffmpeg's test picture is taken. A real job would upload the
result, with boto3 for example, where this only measures it.
"""

import os
import re
import subprocess

import imageio_ffmpeg

FORMATS = {
    "mp4": ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-movflags", "+faststart"],
    "webm": ["-c:v", "libvpx", "-deadline", "realtime", "-b:v", "500k"],
}


def run(*arguments):
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    done = subprocess.run(
        [ffmpeg, "-hide_banner", "-nostdin", "-y", *arguments], capture_output=True, text=True
    )
    return done.returncode, done.stderr


def lambda_handler(event, context):
    container = event.get("format", "mp4")
    if container not in FORMATS:
        raise ValueError(f"format {container} is none of {', '.join(FORMATS)}")
    height, seconds = int(event.get("height", 240)), float(event.get("seconds", 2))
    if "source" in event:
        source = ["-i", event["source"]]
    else:
        source = ["-f", "lavfi", "-i", "testsrc=size=640x480:rate=25"]
    target = os.path.join("/tmp", f"{context.aws_request_id}.{container}")
    try:
        code, said = run(
            *source, "-t", str(seconds), "-vf", f"scale=-2:{height}", *FORMATS[container], target
        )
        if code != 0:
            raise RuntimeError(f"ffmpeg ended with {code}: {said[-2000:]}")
        # Without an output ffmpeg only says what it sees in the input, and ends with 1.
        _, seen = run("-i", target)
        width, height = map(int, re.search(r"Video: .*?, (\d+)x(\d+)", seen).groups())
        size = os.path.getsize(target)
        print(f"{size} bytes; {context.get_remaining_time_in_millis()} ms were left")
        return {"format": container, "width": width, "height": height, "bytes": size}
    finally:
        # The environment is used again, and its /tmp with it.
        if os.path.exists(target):
            os.remove(target)
