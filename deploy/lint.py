"""Every document of an export of deploy/check, judged by parliament, a linter of IAM that knows each service's actions and resources.

Usage: lint.py EXPORT
"""

import copy
import json
import sys

from parliament import analyze_policy_string

# What it says and is left as it is: document, issue, a word of its details, and the reason. One that is not said any more fails too.
EXPECTED = [
    (
        "trust",
        "UNKNOWN_CONDITION_FOR_ACTION",
        "for action sts:TagSession",
        "both actions come with one request and stand in one statement in AWS's own example (Cognito Developer Guide, "
        '"Using attributes for access control")',
    ),
    (
        "provisioning-role",
        "MISMATCHED_TYPE_BUT_USABLE",
        "StringEquals requires a value of type String",
        "an ARN without a wildcard, compared as text, as AWS's own examples of `iam:PermissionsBoundary` do",
    ),
    (
        "provisioning-role",
        "RESOURCE_MISMATCH",
        "DescribeIdentityPool",
        "an identity pool's id has a colon in it (`eu-central-1:…`), which its comparison takes for the end of a part of the ARN; with an "
        "id that has none it finds nothing",
    ),
]


def documents(export):
    for role in export["RoleDetailList"]:
        # A trust policy names no resource, which parliament takes for a mistake: it is about the role.
        trust = copy.deepcopy(role["AssumeRolePolicyDocument"])
        for statement in trust["Statement"]:
            statement["Resource"] = role["Arn"]
        yield role["RoleName"], "trust", trust
        for policy in role["RolePolicyList"]:
            yield role["RoleName"], policy["PolicyName"], policy["PolicyDocument"]
    for policy in export["Policies"]:
        for version in policy["PolicyVersionList"]:
            if version["IsDefaultVersion"]:
                yield "account", policy["PolicyName"], version["Document"]
    for name, document in [*export["BucketPolicies"].items(), *export["SecretPolicies"].items()]:
        if document is not None:
            yield name, "policy", document


def main(path):
    with open(path, encoding="utf-8") as file:
        export = json.load(file)
    count, findings, said = 0, 0, set()
    for on, name, document in documents(export):
        count += 1
        for finding in analyze_policy_string(json.dumps(document)).findings:
            text = f"{finding.issue} {finding.detail} {finding.location}"
            known = [at for at, (of, issue, word, _) in enumerate(EXPECTED) if (of, issue) == (name, finding.issue) and word in text]
            said.update(known)
            if not known:
                print(f"  {on}, {name}: {finding}")
                findings += 1
    for at, (name, issue, word, reason) in enumerate(EXPECTED):
        if at in said:
            print(f"  expected of {name}: {issue} {word}: {reason}")
        else:
            print(f"  {name}: {issue} {word} is not said any more; take it out of deploy/lint.py")
            findings += 1
    print(f"  {count} documents, {findings} findings")
    return 1 if findings or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
