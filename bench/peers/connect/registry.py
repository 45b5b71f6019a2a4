"""Gives Apicurio's converter the schemas of a registry with Confluent's interface, which it cannot ask.

The converter reads Confluent's framing by itself, and asks once for each schema: by its id, on a path of Apicurio's own. The
answer is the schema's text alone. Nothing goes through here while records are converted.
"""

import argparse
import json
import re
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BY_ID = re.compile(r"/apis/registry/v[23]/ids/(?:globalIds|contentIds)/(\d+)(/references)?(?:\?.*)?")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("registry_url")
    args = parser.parse_args()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = BY_ID.fullmatch(self.path)
            if not asked:
                return self.answer(404, {"error_code": 404, "message": "only schemas by id are known here"})
            if asked[2]:
                return self.answer(200, [])
            with urllib.request.urlopen(f"{args.registry_url}/schemas/ids/{asked[1]}") as answer:
                self.answer(200, json.loads(json.load(answer)["schema"]))

        def answer(self, status, body):
            body = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Registry-ArtifactType", "AVRO")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    ThreadingHTTPServer(("127.0.0.1", args.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
