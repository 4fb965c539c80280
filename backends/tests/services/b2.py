"""Backblaze B2, as strict as its documentation: what the real one refuses is refused here, in the same words.

Usage: b2.py PORT. The key is AKlab / SKlab-0f3e, the bucket bkt. `GET /_plan?NAME=COUNT` makes the next COUNT matching requests go
wrong: busy (uploads: 503, and their address is of no use any more), expire (every token so far), cap (uploads: the storage cap).
"""
import base64, hashlib, json, re, sys, threading, time, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

KEY_ID, KEY, BUCKET, BUCKET_ID, ACCOUNT = "AKlab", "SKlab-0f3e", "bkt", "e73ede9c9c8412db49f60715", "ac20f26aa0cb"
SIZE_MAX = 5_000_000_000
lock = threading.RLock()
tokens, expired, places, versions, plan = set(), set(), {}, [], {"busy": 0, "cap": 0}
LIMITS = {"b2_list_file_names": 10000, "b2_list_file_versions": 10000}


class Refused(Exception):
    def __init__(self, status, code, message=""):
        self.answer = status, {"status": status, "code": code, "message": message or code}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body go out together: apart, the second waits for the first to be acknowledged.
    wbufsize = 1 << 20
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def answer(self, status, body, headers=()):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_all(self):
        try:
            length = self.headers.get("Content-Length")
            if self.command == "POST" and length is None:
                raise Refused(411, "length_required")
            self.body = self.rfile.read(int(length or 0))
            if len(self.body) != int(length or 0):
                self.close_connection = True
                return
            self.route()
        except Refused as refused:
            status, body = refused.answer
            self.answer(status, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_HEAD = handle_all

    def route(self):
        url = urlsplit(self.path)
        if url.path == "/_plan":
            for name, (count,) in parse_qs(url.query).items():
                if name == "expire":
                    with lock:
                        expired.update(tokens)
                        expired.update(token for token, _ in places.values())
                else:
                    plan[name] = int(count)
            return self.answer(200, {})
        if url.path.startswith("/file/"):
            return self.download(url)
        if url.path.startswith("/upload/"):
            return self.upload(url.path.split("/")[2])
        method = re.fullmatch(r"/b2api/v2/(b2_\w+)", url.path)
        if not method:
            raise Refused(404, "not_found")
        if method[1] == "b2_authorize_account":
            return self.authorize()
        self.check_token()
        if self.command != "POST":
            raise Refused(405, "method_not_allowed")
        try:
            arguments = json.loads(self.body)
        except ValueError:
            raise Refused(400, "bad_json")
        call = getattr(self, method[1], None)
        if call is None:
            raise Refused(404, "not_found")
        with lock:
            self.answer(200, call(arguments))

    def check_token(self):
        token = self.headers.get("Authorization")
        with lock:
            if token in expired:
                raise Refused(401, "expired_auth_token", "Authorization token has expired")
            if token not in tokens:
                raise Refused(401, "bad_auth_token", "Invalid authorization token")

    def authorize(self):
        wanted = "Basic " + base64.b64encode(f"{KEY_ID}:{KEY}".encode()).decode()
        if self.headers.get("Authorization") != wanted:
            raise Refused(401, "unauthorized", "invalid application key")
        token = "4_" + uuid.uuid4().hex
        with lock:
            tokens.add(token)
        here = f"http://{self.headers['Host']}"
        allowed = {"capabilities": ["listBuckets", "listFiles", "readFiles", "writeFiles", "deleteFiles"],
                   "bucketId": None, "bucketName": None, "namePrefix": None}
        self.answer(200, {"accountId": ACCOUNT, "authorizationToken": token, "apiUrl": here, "downloadUrl": here,
                          "recommendedPartSize": 100_000_000, "absoluteMinimumPartSize": 5_000_000, "allowed": allowed})

    def b2_list_buckets(self, arguments):
        if arguments.get("accountId") != ACCOUNT:
            raise Refused(401, "unauthorized")
        found = [{"accountId": ACCOUNT, "bucketId": BUCKET_ID, "bucketName": BUCKET, "bucketType": "allPrivate"}]
        name = arguments.get("bucketName")
        return {"buckets": [bucket for bucket in found if name in (None, bucket["bucketName"])]}

    def check_bucket(self, arguments):
        if arguments.get("bucketId") != BUCKET_ID:
            raise Refused(400, "bad_bucket_id", "Bucket does not exist")

    def b2_get_upload_url(self, arguments):
        self.check_bucket(arguments)
        place, token = uuid.uuid4().hex, "u_" + uuid.uuid4().hex
        places[place] = (token, threading.Lock())
        return {"bucketId": BUCKET_ID, "uploadUrl": f"http://{self.headers['Host']}/upload/{place}",
                "authorizationToken": token}

    def upload(self, place):
        with lock:
            if self.command != "POST" or place not in places:
                raise Refused(401, "bad_auth_token", "this upload URL is of no use any more")
            token, busy = places[place]
            given = self.headers.get("Authorization")
            if given in expired:
                raise Refused(401, "expired_auth_token", "Authorization token has expired")
            if given != token:
                raise Refused(401, "bad_auth_token", "Invalid authorization token")
        if not busy.acquire(blocking=False):
            raise Refused(503, "service_unavailable", "another upload uses this URL")
        try:
            with lock:
                for name, refusal in (("busy", Refused(503, "service_unavailable", "no tomes available")),
                                      ("cap", Refused(403, "cap_exceeded", "Cannot upload files, storage cap exceeded."))):
                    if plan[name] > 0:
                        plan[name] -= 1
                        del places[place]
                        raise refusal
            name, sha1 = self.headers.get("X-Bz-File-Name"), self.headers.get("X-Bz-Content-Sha1")
            if name is None or sha1 is None or self.headers.get("Content-Type") is None:
                raise Refused(400, "bad_request", "a required header is missing")
            if not re.fullmatch(r"(?:[A-Za-z0-9._~!$'()*;=:@/-]|%[0-9A-Fa-f]{2})+", name):
                raise Refused(400, "bad_request", "File name is not URL encoded")
            name = unquote(name)
            bad = name.startswith("/") or name.endswith("/") or "//" in name or len(name.encode()) > 1024
            if bad or any(len(part.encode()) > 250 for part in name.split("/")):
                raise Refused(400, "bad_request", "File names must not ...")
            if len(self.body) > SIZE_MAX:
                raise Refused(400, "bad_request", "file too large")
            if sha1 != "do_not_verify" and hashlib.sha1(self.body).hexdigest() != sha1:
                raise Refused(400, "bad_request", "Sha1 did not match data received")
            with lock:
                file = {"fileId": "4_z" + uuid.uuid4().hex, "fileName": name, "contentLength": len(self.body),
                        "contentSha1": sha1, "action": "upload", "uploadTimestamp": int(time.time() * 1000)}
                versions.append((file, self.body))
            self.answer(200, file)
        finally:
            busy.release()

    def newest(self, name):
        with lock:
            found = [(file, body) for file, body in versions if file["fileName"] == name]
        if not found or found[-1][0]["action"] != "upload":
            raise Refused(404, "not_found", "File with such name does not exist.")
        return found[-1]

    def download(self, url):
        self.check_token()
        _, _, bucket, name = url.path.split("/", 3)
        if bucket != BUCKET:
            raise Refused(404, "not_found", "bucket does not exist")
        file, body = self.newest(unquote(name))
        headers = [("X-Bz-Content-Sha1", file["contentSha1"]), ("X-Bz-File-Id", file["fileId"])]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted:
            start, end = int(wanted[1]), min(int(wanted[2]) + 1, len(body))
            if start >= len(body):
                raise Refused(416, "range_not_satisfiable")
            headers.append(("Content-Range", f"bytes {start}-{end - 1}/{len(body)}"))
            return self.answer(206, body[start:end], headers)
        if self.command == "HEAD":
            headers.append(("Content-Length", str(len(body))))
        self.answer(200, body, headers)

    def counted(self, method, arguments):
        count = arguments.get("maxFileCount", 100)
        if not isinstance(count, int) or not 1 <= count <= LIMITS[method]:
            raise Refused(400, "bad_request", "maxFileCount out of range")
        return count

    def b2_list_file_names(self, arguments):
        self.check_bucket(arguments)
        count = self.counted("b2_list_file_names", arguments)
        last = {file["fileName"]: file for file, _ in versions}
        prefix, start = arguments.get("prefix") or "", arguments.get("startFileName") or ""
        names = sorted(name for name, file in last.items()
                       if file["action"] == "upload" and name.startswith(prefix) and name >= start)
        return {"files": [last[name] for name in names[:count]],
                "nextFileName": names[count] if len(names) > count else None}

    def b2_list_file_versions(self, arguments):
        self.check_bucket(arguments)
        count = self.counted("b2_list_file_versions", arguments)
        prefix, start = arguments.get("prefix") or "", arguments.get("startFileName") or ""
        found = [file for file, _ in reversed(versions) if file["fileName"].startswith(prefix) and file["fileName"] >= start]
        found.sort(key=lambda file: file["fileName"])
        more = found[count] if len(found) > count else None
        return {"files": found[:count], "nextFileName": more and more["fileName"], "nextFileId": more and more["fileId"]}

    def b2_delete_file_version(self, arguments):
        for index, (file, _) in enumerate(versions):
            if (file["fileName"], file["fileId"]) == (arguments.get("fileName"), arguments.get("fileId")):
                del versions[index]
                return {"fileName": file["fileName"], "fileId": file["fileId"]}
        raise Refused(400, "file_not_present", "file_state_none")

    def b2_hide_file(self, arguments):
        self.check_bucket(arguments)
        try:
            self.newest(arguments.get("fileName"))
        except Refused:
            raise Refused(400, "no_such_file", "Bucket does not have file")
        file = {"fileId": "4_z" + uuid.uuid4().hex, "fileName": arguments["fileName"], "contentLength": 0,
                "contentSha1": None, "action": "hide", "uploadTimestamp": int(time.time() * 1000)}
        versions.append((file, b""))
        return file


ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer.request_queue_size = 64
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
