"""A mail server on this machine, as small as one can be that the standard library speaks to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


@dataclass
class PostOffice:
    """Takes mail in, unless told what to answer instead."""

    port: int = 0
    received: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """What to answer to a word instead; `hang up` ends the connection."""
    offers: tuple[str, ...] = ()
    """Extensions it tells of."""
    heard: list[str] = field(default_factory=list)
    """The words that were said to it, in upper case."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        writer.write(b"220 kantor pos\r\n")
        while line := await reader.readline():
            word = line.decode().split()[0].upper()
            self.heard.append(word)
            said = self.answers.get(word)
            if said == "hang up":
                break
            if said is not None:
                writer.write(f"{said}\r\n".encode())
            elif word == "EHLO":
                lines = ["kantor pos", *self.offers]
                told = [f"250{' ' if each is lines[-1] else '-'}{each}\r\n" for each in lines]
                writer.write("".join(told).encode())
            elif word == "DATA":
                writer.write(b"354 silakan\r\n")
                await writer.drain()
                data = await reader.readuntil(b"\r\n.\r\n")
                message = message_from_bytes(data.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n."), policy=default)
                assert isinstance(message, EmailMessage)
                self.received.append((recipients, message))
                recipients = []
                writer.write(b"250 diterima\r\n")
            elif word == "QUIT":
                writer.write(b"221 sampai jumpa\r\n")
                break
            else:
                if word == "RCPT":
                    recipients.append(line.decode().partition("<")[2].partition(">")[0])
                writer.write(b"250 ya\r\n")
            await writer.drain()
        writer.close()


@asynccontextmanager
async def post_office() -> AsyncIterator[PostOffice]:
    """One that is open for this block, on a port of its own."""
    office = PostOffice()
    server = await asyncio.start_server(office.serve, "127.0.0.1", 0)
    office.port = server.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        server.close()
        await server.wait_closed()
