#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How quickly the studio answers: first page, scrubbing, preview of a swap at 720p.

  bench/speed/studio.py PROGRAM [CLIP] [--minutes M]

Makes a project of the built-in performers in a temporary folder, trains for M minutes (default 0.5),
uploads CLIP (default: the built-in take of ava, scaled to 1280x720 by ffmpeg), finds its faces and
asks for frames. Prints medians, and the 90th percentile in brackets, as JSON. Times are of whole requests over
loopback, connection kept open, answer read.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import statistics
import subprocess
import tempfile
import time

root = pathlib.Path(__file__).resolve().parents[2]
parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("clip", nargs="?")
parser.add_argument("--minutes", type=float, default=0.5)
args = parser.parse_args()


def spread(seconds):
    ms = sorted(1000 * s for s in seconds)
    return f"{statistics.median(ms):.1f} ({ms[int(0.9 * (len(ms) - 1))]:.1f})"


class Studio:
    def __init__(self, folder, project):
        env = dict(os.environ, LIKENESS_STUDIO_HOME=str(folder / "projects"))
        started = time.monotonic()
        self.process = subprocess.Popen([args.program, "studio", str(project), "--no-browser", "--json"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
        text = ""
        while "}" not in text:
            text += self.process.stdout.readline()
        self.start_s = time.monotonic() - started
        info = json.loads(text)
        self.host = f"127.0.0.1:{info['port']}"
        self.wire = http.client.HTTPConnection(self.host)
        self.headers = {}
        answer, body = self.ask("POST", "/v1/session", {"token": info["token"]})
        self.headers = {"Cookie": answer.getheader("Set-Cookie").split(";")[0],
                        "X-Likeness-CSRF": json.loads(body)["csrf"]}
        self.base = f"/v1/projects/{json.loads(body)['project']}"

    def ask(self, method, path, body=None):
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        self.wire.request(method, path, data, self.headers)
        answer = self.wire.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]}")
        return answer, content

    def json(self, method, path, body=None):
        return json.loads(self.ask(method, self.base + path, body)[1])

    def time(self, method, path, body=None):
        started = time.monotonic()
        self.ask(method, path, body)
        return time.monotonic() - started

    def upload(self, path):
        data = path.read_bytes()
        upload = self.json("POST", "/uploads", {"name": path.name, "size": len(data)})["upload"]
        for at in range(0, len(data), 4 << 20):
            self.json("PUT", f"/uploads/{upload}?offset={at}", data[at:at + (4 << 20)])
        return self.json("POST", f"/uploads/{upload}/done", {})

    def run(self, task, arguments, options):
        job = self.json("POST", "/jobs", {"task": task, "arguments": arguments, "options": options})
        while True:
            job = next(j for j in self.json("GET", "/jobs") if j["id"] == job["id"])
            if job["state"] not in ("queued", "running"):
                break
            time.sleep(0.3)
        if job["state"] != "done":
            raise SystemExit(json.dumps(job, indent=1))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["LIKENESS_HOME"] = str(folder / "home")
        clip = pathlib.Path(args.clip) if args.clip else folder / "take-720p.mp4"
        if not args.clip:
            subprocess.run(["ffmpeg", "-v", "error", "-i", root / "assets/performers/ava-to-ben-take.mp4", "-vf",
                            "scale=720:720,pad=1280:720:280:0", "-c:v", "libx264", "-crf", "18", "-c:a", "copy",
                            clip], check=True)
        subprocess.run([args.program, "project", "new", folder / "film"], check=True, stdout=subprocess.DEVNULL)
        studio = Studio(folder, folder / "film")
        try:
            out = {"start_s": round(studio.start_s, 3)}
            out["first_byte_of_page_ms"] = spread(studio.time("GET", "/") for _ in range(50))
            for who in ("ben", "ava"):
                studio.json("POST", "/subjects", {"name": who, "kind": "synthetic"})
                media = studio.upload(root / f"assets/performers/{who}-train.mp4")
                studio.run("extract", {"media": [media["id"]], "subject": who}, {})
            preset = json.loads(studio.ask("GET", "/v1/tasks")[1])
            options = dict(preset["train"]["presets"]["quick"], minutes=args.minutes)
            studio.run("train", {"model": "m", "identity": "ben", "performer": "ava"}, options)
            media = studio.upload(clip)
            studio.run("analyse", {"media": [media["id"]]}, {})
            frames, place = media["frames"], f"{studio.base}/media/{media['id']}/frame"
            out["clip"] = f"{media['width']}x{media['height']}, {frames} frames"
            walk = {"forwards": range(0, min(100, frames)), "backwards": range(min(199, frames - 1), 99, -1),
                    "jumps": random.Random(1).sample(range(frames), 40)}
            for width in (640, 1280):
                for way, numbers in walk.items():
                    out[f"frame_{width}_{way}_ms"] = spread(
                        studio.time("GET", f"{place}/{n}?width={width - (way == 'jumps')}") for n in numbers)
            for width in (640, 1280):
                ask = lambda n, erode: studio.time("POST", f"{studio.base}/preview", {
                    "media": media["id"], "frame": n, "model": "m", "width": width, "options": {"erode_pct": erode}})
                first = ask(0, 0)
                out[f"preview_{width}_first_ms"] = round(1000 * first)
                out[f"preview_{width}_same_frame_ms"] = spread(ask(0, e / 2) for e in range(20))
                out[f"preview_{width}_next_frame_ms"] = spread(ask(n, 0) for n in range(1, 21))
            print(json.dumps(out, indent=1))
        finally:
            studio.process.terminate()
            studio.process.wait()


main()
