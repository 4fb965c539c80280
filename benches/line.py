#!/usr/bin/env python3
"""A slow line for `line.sh`: relays TCP connections with a delay each way and one rate for all of them together.

    line.py LISTEN_PORT SERVER_PORT DELAY_MS MBIT COUNTS

A connection is answered after one round trip, as a handshake would be. Bytes wait for their turn on the line, then travel for the
delay. COUNTS is a file that always holds two numbers: bytes that went up and down. Lost packets and TCP's slow start are not imitated.
"""
import asyncio
import sys

listen, server, delay, rate, counts = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000, float(sys.argv[4]) * 125_000, sys.argv[5]
CHUNK = 16 << 10
WINDOW = 4 << 20  # bytes that one connection may have on the way, as a window of TCP
sent = [0, 0]
free = [0.0, 0.0]  # when the line is free again, each way


async def carry(way, reader, writer):
    loop, queue, room = asyncio.get_running_loop(), asyncio.Queue(), asyncio.Semaphore(WINDOW // CHUNK)

    async def arrive():
        while True:
            when, data = await queue.get()
            await asyncio.sleep(max(0.0, when - loop.time()))
            room.release()
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    arriving = asyncio.ensure_future(arrive())
    try:
        while True:
            await room.acquire()
            data = await reader.read(CHUNK)
            sent[way] += len(data)
            free[way] = max(free[way], loop.time()) + len(data) / rate
            queue.put_nowait((free[way] + delay, data))
            await asyncio.sleep(max(0.0, free[way] - loop.time() - 0.02))  # a queue of 20 ms before the line
            if not data:
                break
        await arriving
    except (ConnectionError, asyncio.CancelledError):
        arriving.cancel()


async def relay(reader, writer):
    await asyncio.sleep(2 * delay)
    try:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", server)
        await asyncio.gather(carry(0, reader, up_writer), carry(1, up_reader, writer), return_exceptions=True)
        up_writer.close()
    except OSError:
        pass
    writer.close()


async def main():
    await asyncio.start_server(relay, "127.0.0.1", listen, limit=CHUNK)
    while True:
        with open(counts, "w") as file:
            file.write(f"{sent[0]} {sent[1]}\n")
        await asyncio.sleep(0.2)


asyncio.run(main())
