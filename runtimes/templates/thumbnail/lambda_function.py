"""Makes a thumbnail: an image in, a smaller one out, both as base64.

With images in S3, read them with boto3 where this reads `image`, and write the result there.
"""

import base64
import io

from PIL import Image, ImageOps


def lambda_handler(event, context):
    largest = int(event.get("size", 128))
    with Image.open(io.BytesIO(base64.b64decode(event["image"]))) as image:
        # Cameras note how they were held instead of turning the picture.
        picture = ImageOps.exif_transpose(image).convert("RGB")
    before = picture.size
    picture.thumbnail((largest, largest))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80, optimize=True)
    print(f"{before[0]}x{before[1]} became {picture.width}x{picture.height}")
    return {
        "width": picture.width,
        "height": picture.height,
        "contentType": "image/jpeg",
        "image": base64.b64encode(out.getvalue()).decode(),
    }
