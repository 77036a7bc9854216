"""Has the suite's server run its cases: `drive.py DATA TIDEGATE SERVER BASE_URL CASES`.

DATA is the data directory of a service in dev mode, TIDEGATE the program, SERVER the address of the suite's server, BASE_URL the endpoint that is
held to PACT, CASES `all` or numbers. First the server is put on record as the host of the partner it acts for, as an admin does it: its client's
secret, then a document with `notify`. Prints a line for each case: its result, its number, and its name or why it failed; a case that waits for an event is waited for.
"""

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

SECRET = "pact-suite"
# What the suite's server gives tokens for.
CLIENT = {"clientId": "test_client_id", "clientSecret": "test_client_secret"}
PATIENCE = 60


def call(method, url, body=None, headers=None):
    request = urllib.request.Request(url, method=method, data=body, headers=headers or {})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return answer.read()


def put_on_record(data, tidegate, server):
    made = json.load(open(f"{data}/dev.json"))
    pact = made["pact"][0]
    tenant = next(tenant for tenant in made["tenants"] if tenant["bpnl"] == pact["bpnl"])
    admin = next(user for user in tenant["users"] if user["role"] == "admin")
    form = urllib.parse.urlencode(admin["token_grant"]).encode()
    token = json.loads(call("POST", tenant["token_url"], form))["access_token"]
    secret = json.dumps({"tokenEndpoint": f"{server}/auth/token", **CLIENT})
    call(
        "PUT",
        f"{made['base_url']}/credentials/{pact['bpnl']}/secrets/{SECRET}",
        json.dumps({"value": secret}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    document = {
        "id": "pact-suite", "tenant": pact["bpnl"], "name": "PACT's conformance suite",
        "notify": {"partner": pact["partner"], "url": server, "auth": {"oauth2": {"secret": SECRET}}},
    }
    path = f"{data}/pact-suite.json"
    json.dump(document, open(path, "w"))
    subprocess.run([tidegate, "integration", "add", path, "--data", data], check=True, stdout=sys.stderr)
    return pact


def started(server):
    for _ in range(600):
        try:
            return call("GET", f"{server}/health-check")
        except OSError:
            time.sleep(0.1)
    sys.exit("drive.py: the suite's server does not answer")


def main():
    data, tidegate, server, base_url, cases = sys.argv[1:]
    started(server)
    pact = put_on_record(data, tidegate, server)
    asked = {
        "baseUrl": base_url, "version": "V3.0", "clientId": pact["client_id"], "clientSecret": pact["client_secret"],
        "organizationName": "Tidegate", "adminEmail": "nobody@tidegate.example", "adminName": "Nobody",
    }
    if cases != "all":
        asked["testCaseNumbers"] = [int(case) for case in cases.split()]
    begun = call("POST", f"{server}/testruns/", json.dumps(asked).encode(), {"Content-Type": "application/json"})
    run = json.loads(begun)["testRunId"]
    for _ in range(PATIENCE):
        results = json.loads(call("GET", f"{server}/testruns/{run}"))["results"]
        if all(result["status"] != "PENDING" for result in results):
            break
        time.sleep(1)
    for result in results:
        why = " ".join((result.get("errorMessage") or result["name"]).split())
        print(result["status"], result["testKey"].removeprefix("TESTCASE#"), why)


main()
