"""What the load script asks of a service in dev mode, with nothing but Python's own library.

    service.py port                     a port nobody listens on
    service.py ready URL SECONDS SINCE  waits until URL/readyz answers 200; prints the milliseconds since SINCE, which is
                                        what `date +%s%N` said
    service.py token DEV_JSON           a token of the first provider's connector
    service.py plan DEV_JSON KIND       the requests of a kind, as load.lua reads them
    service.py metric URL NAME…         the values of plain counters
"""

import base64
import json
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def get(url, **more):
    with urllib.request.urlopen(urllib.request.Request(url, **more), timeout=5) as answer:
        return answer.status, answer.read().decode()


def port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ready(url, seconds, since):
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        try:
            if get(url + "/readyz")[0] == 200:
                return round((time.time_ns() - int(since)) / 1_000_000)
        except OSError:
            time.sleep(0.002)
    sys.exit(f"{url}/readyz did not answer 200 within {seconds} seconds")


def manifest(path):
    with open(path, encoding="utf-8") as file:
        dev = json.load(file)
    active = [agreement for agreement in dev["agreements"] if agreement["state"] == "active"]
    tenant = next(tenant for tenant in dev["tenants"] if tenant["bpnl"] == active[0]["provider"])
    return dev, tenant, [agreement for agreement in active if agreement["provider"] == tenant["bpnl"]]


def token(path):
    _, tenant, _ = manifest(path)
    basic = base64.b64encode(f"{tenant['client_id']}:{tenant['client_secret']}".encode()).decode()
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": tenant["scope"]}).encode()
    headers = {"Authorization": "Basic " + basic, "Content-Type": "application/x-www-form-urlencoded"}
    return json.loads(get(tenant["token_url"], data=form, headers=headers)[1])["access_token"]


def allowed(dev, tenant, agreements, bearer):
    """The agreements under which a footprint is really handed out: the world has some that look active and are not."""
    base = urllib.parse.urlsplit(tenant["exchange_url"]).path
    for agreement in agreements:
        path = f"{base}/pcf/{agreement['pcf_id']}/submodel/$value"
        headers = {
            "Authorization": "Bearer " + bearer,
            "Edc-Bpn": agreement["consumer"],
            "Edc-Contract-Agreement-Id": agreement["id"],
        }
        try:
            get(dev["base_url"] + path, headers=headers)
        except urllib.error.HTTPError:
            continue
        yield agreement, path


def plan(path, kind):
    if kind == "healthz":
        return "GET\t/healthz\t\t\t"
    dev, tenant, agreements = manifest(path)
    lines = []
    for agreement, resource in allowed(dev, tenant, agreements, token(path)):
        if kind == "exchange":
            lines.append(f"GET\t{resource}\t{agreement['id']}\t{agreement['consumer']}\t")
        elif kind == "evaluation":
            question = {
                "subject": {"type": "Partner", "id": agreement["consumer"]},
                "action": {"name": "access"},
                "resource": {"type": "Footprint", "id": f"{tenant['bpnl']}/{agreement['pcf_id']}"},
                "context": {"agreement": agreement["id"]},
            }
            lines.append(f"POST\t/access/v1/evaluation\t\t\t{json.dumps(question)}")
    if not lines:
        sys.exit(f"no request of kind `{kind}` is allowed by the service")
    return "\n".join(lines)


def metric(url, *names):
    lines = [line.split() for line in get(url + "/metrics")[1].splitlines() if not line.startswith("#")]
    values = {line[0]: line[1] for line in lines if len(line) == 2}
    return " ".join(values.get(name, "0") for name in names)


if __name__ == "__main__":
    commands = {"port": port, "ready": ready, "token": token, "plan": plan, "metric": metric}
    print(commands[sys.argv[1]](*sys.argv[2:]))
