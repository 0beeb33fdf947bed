"""Holds a running server to its OpenAPI document. Run by .ci/contract; the argument is the seconds it may take."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import time
import urllib.request

import requests
import schemathesis
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.specs.openapi.checks import ignored_auth

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target" / "tmp" / "contract"
PROGRAM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "quan"
CAMPAIGN = "xiangning-2023"
TILL = "T-1"
MERCHANTS = {
    "merchants": [
        "number,credit_code,name,in_county,above_size,categories,cap_fen,promotion_plan,safety_plan,offers",
        "1,91141029MA0KU0001G,乡宁百货,是,是,retail,,有,有,",
    ],
    "shops": ["shop,merchant,name,address,lat,lon,datum", "10,1,总店,迎旭西大街,36.08,111.52,GCJ-02"],
    "terminals": ["terminal,shop", f"{TILL},10"],
}
CHECKS = ",".join([
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "negative_data_rejection",
    "ignored_auth",
])

# A 503 of this server is a named "try again", so it may come, but only where the document has it: that is for
# status_code_conformance and response_schema_conformance to say. A 500 may never come, documented or not.
CONFIG = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]
"""
# The same with addresses that are there, so that requests get beyond 404.
KNOWN = CONFIG + f"""
[parameters]
"path.campaign" = "{CAMPAIGN}"
"path.round" = 1
"path.order" = "A-1"
"""
STAFF = {"li": "operator", "wang": "bureau"}


def start():
    """The server, and where it listens. One address sends everything here, so that is not held back."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    plan = (ROOT / "config" / f"{CAMPAIGN}.toml").read_text()
    plan = plan.replace("fences/linfen.geojson", str(ROOT / "config" / "fences" / "linfen.geojson"))
    plan = plan.replace("address_per_s = 3_000", "address_per_s = 100_000")
    (FOLDER / "plan.toml").write_text(plan.replace("address_burst = 6_000", "address_burst = 100_000"))
    config = (ROOT / "config" / "quan.toml").read_text().replace(f'"{CAMPAIGN}.toml"', '"plan.toml"')
    config = config.replace("# merchants =", "merchants =")
    (FOLDER / "quan.toml").write_text(config)
    subprocess.run([PROGRAM, "keys", FOLDER / "keys"], check=True)
    subprocess.run([PROGRAM, "keys", FOLDER / "keys", "--terminal", TILL], check=True)
    (FOLDER / "merchants").mkdir()
    for name, rows in MERCHANTS.items():
        (FOLDER / "merchants" / f"{name}.csv").write_text("\n".join(rows) + "\n")
    for name, role in STAFF.items():
        # Everybody's own key stays with them; the server has the public ones.
        subprocess.run([PROGRAM, "decide", "key", name, "--role", role, FOLDER / "staff"], check=True)
        shutil.copy(FOLDER / "staff" / f"staff-{name}.pub", FOLDER / "keys")
    free = "127.0.0.1:0"
    command = [PROGRAM, "serve", "--config", FOLDER / "quan.toml", "--data", FOLDER / "data", "--keys", FOLDER / "keys"]
    command += ["--listen", free, "--ops", free, "--clock", "2023-09-01T10:00:05+08:00", "--until-stdin-ends"]
    log = open(FOLDER / "log", "w")
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    served = json.loads(server.stdout.readline())
    admit(served["ops"])
    return server, "http://" + served["public"]


def admit(ops):
    """Two persons decide that the merchants take part."""
    def decide(*arguments):
        command = [PROGRAM, "decide", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout

    def signer(name):
        return ["--by", name, "--key", FOLDER / "staff" / f"{name}.key"]

    first, second = STAFF
    file = FOLDER / "admit.json"
    file.write_bytes(decide("sign", *signer(first), "--why", "contract", "admit", CAMPAIGN, FOLDER / "merchants"))
    file.write_bytes(decide("cosign", *signer(second), file))
    decide("send", "--ops", ops, file)


def key(name):
    return base64.b64decode((FOLDER / "keys" / name).read_text())


def text(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def tag(name, signed):
    return hmac.new(key(name), signed, hashlib.sha256).digest()


def person(now_ms):
    """What the host app and the captcha service sign for somebody: an identity token and a pass request."""
    device, idn = "fiction-device", "000000001000000001"
    claims = {
        "iss": "host", "aud": CAMPAIGN, "iat": now_ms // 1000, "exp": now_ms // 1000 + 3600, "real_name": True,
        "acc": "fiction-1", "idn": idn, "tel": "10000000001", "crd": "0000000000000001", "dev": device,
    }
    head = {"typ": "JWT", "alg": "HS256", "kid": "host-1"}
    token = ".".join(text(json.dumps(part).encode()) for part in (head, claims))
    identity = token + "." + text(tag("identity-1.key", token.encode()))
    fix = struct.pack(">BBBBiiIq", 1, 1, 2, 0, 360_800_000, 1_115_200_000, 200, now_ms)
    fix = text(fix + tag("fix-1.key", fix + device.encode()))

    def proof(captcha):
        body = struct.pack(">BBBBq", 1, 1, captcha, 1, now_ms) + bytes([captcha] * 16)
        names = b"".join(struct.pack(">H", len(it)) + it.encode() for it in (CAMPAIGN, idn, device))
        return text(body + tag("captcha-1.key", body + names))

    body = {"kinds": ["retail-10"], "device": device, "fix": fix, "slider": proof(1), "image": proof(2)}
    return identity, body


def honest(url):
    """Every yes there is, each held to the document. Gives the identity token."""
    OpenAPIV31SpecValidator(json.load(urllib.request.urlopen(url + "/openapi.json"))).validate()
    schema = schemathesis.openapi.from_url(url + "/openapi.json")
    now_ms = json.load(urllib.request.urlopen(url + "/v1/time"))["now_ms"]
    identity, wanted = person(now_ms)
    where, bearer = {"campaign": CAMPAIGN, "round": 1}, {"Authorization": f"Bearer {identity}"}
    campaign, paths = "/v1/campaigns/{campaign}", {"campaign": CAMPAIGN}

    def ask(method, path, status, **parts):
        case = schema[path][method].Case(**parts)
        answer = case.call()
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        case.validate_response(answer)
        return answer.json()

    ask("GET", "/v1/time", 200)
    ask("GET", "/v1/campaigns", 200)
    ask("GET", campaign, 200, path_parameters=paths)
    ask("GET", campaign + "/rounds/{round}", 200, path_parameters=where)
    json_type = {"media_type": "application/json"}
    passes = dict(path_parameters=where, headers=bearer, body=wanted, **json_type)
    made = ask("POST", campaign + "/rounds/{round}/passes", 201, **passes)
    claim = {"kind": "retail-10", "pass": made["pass"], "device": wanted["device"], "fix": wanted["fix"]}
    for status in (201, 200):
        ask("POST", campaign + "/rounds/{round}/claims", status, path_parameters=where, body=claim, **json_type)
    held = ask("GET", campaign + "/coupons", 200, path_parameters=paths, headers=bearer)
    assert len(held["coupons"]) == 1, held
    device = {"device": wanted["device"], "fix": wanted["fix"]}
    codes = dict(path_parameters=paths, headers=bearer, body=device, **json_type)
    code = ask("POST", campaign + "/payment-codes", 201, **codes)["code"]
    ahead_ms = now_ms - time.time() * 1000

    def till(method, path, status, body=None):
        """What a till signs, sent as it is."""
        target, sent = path.format(campaign=CAMPAIGN, order="A-1"), json.dumps(body).encode() if body else b""
        nonce, at = text(os.urandom(16)), str(int(time.time() * 1000 + ahead_ms))
        parts = ["quan terminal 1", TILL, "1", method, target, hashlib.sha256(sent).digest(), at, nonce]
        parts = [part.encode() if isinstance(part, str) else part for part in parts]
        signed = b"".join(struct.pack(">I", len(part)) + part for part in parts)
        mac = text(tag(f"terminal-{TILL}-1.key", signed))
        headers = {"Authorization": f"Quan-Terminal id={TILL}, key=1, at={at}, nonce={nonce}, mac={mac}"}
        if body:
            headers["Content-Type"] = "application/json"
        answer = requests.request(method, url + target, data=sent, headers=headers, timeout=10)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        order = {"campaign": CAMPAIGN, "order": "A-1"} if "{order}" in path else paths
        # The check of ignored authorization can't know that this one was made well.
        case = schema[path][method].Case(path_parameters=order)
        case.validate_response(answer, excluded_checks=[ignored_auth])

    orders, one = campaign + "/redemptions", campaign + "/redemptions/{order}"
    order = {"order": "A-1", "code": code, "amount_fen": 5_000, "scan": "merchant"}
    for status in (201, 200):
        till("POST", orders, status, order)
    till("GET", one, 200)
    for status in (200, 200):
        till("POST", one + "/confirm", status)
    till("POST", one + "/release", 409)
    till("POST", one + "/refunds", 200, {"refund": "R-1", "amount_fen": 5_000})
    till("POST", orders, 403, {**order, "order": "A-2"})
    return identity


def run(name, url, seconds, config, headers):
    """One run of schemathesis; its exit code."""
    file = FOLDER / f"{name}.toml"
    file.write_text(config)
    command = [pathlib.Path(sys.executable).parent / "st", "--config-file", file, "run", url + "/openapi.json"]
    command += ["--checks", CHECKS, "--max-time", str(seconds), "--seed", "1", "--continue-on-failure", "--no-color"]
    for header in headers:
        command += ["-H", header]
    print(f"--- {name}, {seconds} s", flush=True)
    return subprocess.run(command, cwd=FOLDER).returncode


def main():
    seconds = int(sys.argv[1])
    server, url = start()
    try:
        identity = honest(url)
        failed = run("anything", url, max(1, seconds // 3), CONFIG, [])
        known = [f"Authorization: Bearer {identity}"]
        failed |= run("known-addresses", url, max(1, seconds * 2 // 3), KNOWN, known)
    finally:
        server.stdin.close()
        ended = server.wait(timeout=60)
    said = (FOLDER / "log").read_text()
    assert ended == 0 and "panicked" not in said, said
    sys.exit(failed)


main()
