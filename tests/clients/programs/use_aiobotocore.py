"""aiobotocore."""

import asyncio
import sys

from aiobotocore.session import get_session
from line_protocol import BUCKET, REGION, install_if_native, reply, requested

install_if_native()


async def main() -> None:
    async with get_session().create_client("s3", region_name=REGION) as client:
        while line := await asyncio.to_thread(sys.stdin.readline):
            verb, key, data = requested(line)
            if verb == "get":
                answer = await client.get_object(Bucket=BUCKET, Key=key)
                async with answer["Body"] as body:
                    reply((await body.read()).decode().strip())
            else:
                await client.put_object(Bucket=BUCKET, Key=key, Body=data)
                reply("stored")


asyncio.run(main())
