"""A name server and a web server in one, that write down whom they spoke with and what they were told: a line of JSON each."""
import json
import select
import socket
import sys

name_server, web_server = sys.argv[1:]
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind((name_server, 53))
web = socket.create_server((web_server, 80))


def tell(**what):
    print(json.dumps(what), flush=True)


def answer(question):
    """The web server's address to who asks for one of version 4, and that there is none to who asks for another."""
    end = question.index(0, 12) + 5
    is_a = question[end - 4 : end - 2] == b"\0\1"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(web_server) if is_a else b""
    return question[:2] + b"\x81\x80\0\1\0" + bytes([is_a]) + b"\0\0\0\0" + question[12:end] + record


tell(ready=True)
while True:
    for ready in select.select([names, web], [], [])[0]:
        if ready is names:
            question, peer = names.recvfrom(4096)
            tell(dns=peer)
            names.sendto(answer(question), peer)
        else:
            connection, peer = web.accept()
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096)
            tell(http=peer, request=request.decode("latin1"))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
            connection.close()
