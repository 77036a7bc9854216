"""The stacks of deploy/ on an emulator of AWS: create, change, read back, overwrite by hand, delete. For deploy/check.

Usage: stacks.py URL COMMAND ARGUMENT...
"""

import json
import sys
import time

import boto3
import yaml

REGION = "eu-central-1"
BOUNDARY = "tidegate-tenant-boundary"
# What the templates keep when their stack is deleted (DeletionPolicy: Retain), by kind.
KEPT = {
    "buckets": ["tidegate-footprints", "tidegate-ledger"],
    "file systems": 1,
    "keys": 1,
    "log groups": ["/tidegate/service"],
    "secrets": ["tidegate-service/database-url", "tidegate-service/vault-key"],
    "user pools": ["tidegate"],
}


class Template(yaml.SafeLoader):
    """A template as data; what a function of CloudFormation would give is not looked at."""


Template.add_multi_constructor("!", lambda loader, tag, node: f"!{tag}")


def client(name):
    return boto3.client(name, endpoint_url=URL, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")


def parameters(pairs):
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in (pair.split("=", 1) for pair in pairs)]


def template(path):
    """The template, but for what the emulator cannot take; each change is told."""
    text = open(path, encoding="utf-8").read()
    if "DesiredCount: !Ref" in text:
        print(f"  {path}: the emulator takes no number from a parameter, so DesiredCount is 1 in every service")
        text = "".join(
            line.split("DesiredCount")[0] + "DesiredCount: 1\n" if "DesiredCount: !Ref" in line else line
            for line in text.splitlines(keepends=True)
        )
    return text


def settled(name):
    """Waits for a stack to come to rest, and says how it did."""
    cloudformation = client("cloudformation")
    for _ in range(150):
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            break
        time.sleep(0.2)
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    for event in events:
        if event["ResourceStatus"].endswith("FAILED"):
            print(f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason')}", file=sys.stderr)
    resources = cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
    print(f"  {name}: {stack['StackStatus']}, {len(resources)} resources")
    if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        sys.exit(f"{name} did not come to what it should be")
    bound(name, resources)


def bound(name, resources):
    """Puts the boundary on each role whose template has one: the emulator's CloudFormation passes it over."""
    iam = client("iam")
    body = client("cloudformation").get_template(StackName=name)["TemplateBody"]
    declared = body if isinstance(body, dict) else yaml.load(body, Template)  # noqa: S506, a SafeLoader
    arn = f"arn:aws:iam::{client('sts').get_caller_identity()['Account']}:policy/{BOUNDARY}"
    for resource in resources:
        if resource["ResourceType"] != "AWS::IAM::Role":
            continue
        properties = declared["Resources"][resource["LogicalResourceId"]]["Properties"]
        role = resource["PhysicalResourceId"]
        if "PermissionsBoundary" in properties and "PermissionsBoundary" not in iam.get_role(RoleName=role)["Role"]:
            iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=arn)
            print(f"  {role}: the emulator dropped the boundary its template gives it; it was put there through IAM")


def create(name, path, *pairs):
    capabilities = ["CAPABILITY_NAMED_IAM"]
    body = template(path)
    client("cloudformation").create_stack(
        StackName=name, TemplateBody=body, Parameters=parameters(pairs), Capabilities=capabilities
    )
    settled(name)


def update(name, path, *pairs):
    """By a change set, as one would on AWS, where somebody looks at it in between."""
    cloudformation = client("cloudformation")
    change = dict(StackName=name, ChangeSetName="change")
    cloudformation.create_change_set(
        **change, TemplateBody=template(path), Parameters=parameters(pairs), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    for _ in range(50):
        described = cloudformation.describe_change_set(**change)
        if not described["Status"].endswith(("PENDING", "IN_PROGRESS")):
            break
        time.sleep(0.2)
    changes = [change["ResourceChange"] for change in described["Changes"]]
    if not changes:
        sys.exit(f"the change set of {name} changes nothing: {described.get('StatusReason')}")
    told = ", ".join(sorted(f"{change['Action']} {change['LogicalResourceId']}" for change in changes))
    print(f"  {name}, change set: {told}")
    cloudformation.execute_change_set(**change)
    time.sleep(0.5)
    settled(name)


def outputs(name):
    stack = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def names(core, path):
    """The correspondence of layers with the names of this deployment, where AWS gave them."""
    given = outputs(core)
    known = {"identity_pool": given["IdentityPool"], "user_pool": given["UserPool"], "isolation": given["Isolation"]}
    lines = []
    for line in open("policies/correspondence.toml", encoding="utf-8"):
        key = line.split(" = ")[0]
        lines.append(f'{key} = "{known[key]}"\n' if key in known else line)
    open(path, "w", encoding="utf-8").writelines(lines)


def secret(bpnl, name):
    """A tenant's secret with its policy, as onboarding makes it."""
    manager = client("secretsmanager")
    account = client("sts").get_caller_identity()["Account"]
    arn = manager.create_secret(Name=f"tidegate/{bpnl}/{name}", SecretString="nothing")["ARN"]
    policy = open("policies/iam/secret-policy.json", encoding="utf-8").read()
    for parameter, value in {"partition": "aws", "account": account, "owner": bpnl}.items():
        policy = policy.replace("{" + parameter + "}", value)
    manager.put_resource_policy(SecretId=arn, ResourcePolicy=policy, BlockPublicPolicy=True)


def drop_secrets():
    manager = client("secretsmanager")
    for listed in manager.list_secrets()["SecretList"]:
        if listed["Name"].startswith("tidegate/"):
            manager.delete_secret(SecretId=listed["ARN"], ForceDeleteWithoutRecovery=True)


def read(path):
    """All that is attached in the account, out of IAM, S3 and Secrets Manager; nothing out of CloudFormation."""
    iam, s3, manager = client("iam"), client("s3"), client("secretsmanager")
    export = {"RoleDetailList": [], "Policies": []}
    for page in iam.get_paginator("get_account_authorization_details").paginate(
        Filter=["Role", "LocalManagedPolicy", "AWSManagedPolicy"]
    ):
        for part in export:
            export[part] += page[part]
    for role in export["RoleDetailList"]:
        # The emulator's list has no boundaries; AWS's has.
        boundary = iam.get_role(RoleName=role["RoleName"])["Role"].get("PermissionsBoundary")
        if boundary:
            role["PermissionsBoundary"] = boundary
    export["BucketPolicies"] = {}
    for bucket in s3.list_buckets()["Buckets"]:
        try:
            policy = json.loads(s3.get_bucket_policy(Bucket=bucket["Name"])["Policy"])
        except s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                raise
            policy = None
        export["BucketPolicies"][bucket["Name"]] = policy
    export["SecretPolicies"] = {}
    for listed in manager.list_secrets()["SecretList"]:
        policy = manager.get_resource_policy(SecretId=listed["ARN"]).get("ResourcePolicy")
        export["SecretPolicies"][listed["ARN"]] = json.loads(policy) if policy else None
    with open(path, "w", encoding="utf-8") as file:
        json.dump(export, file, indent=1, default=str)


def overwrite(what, name):
    """What somebody in a hurry does by hand. What was there is told on standard output, for `restore`."""
    iam, s3 = client("iam"), client("s3")
    wide = {"Sid": "Quick", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::tidegate-footprints/*"}
    if what == "policy":
        before = iam.get_role_policy(RoleName=name, PolicyName="tenant-role")["PolicyDocument"]
        after = dict(before, Statement=before["Statement"] + [wide])
    elif what == "trust":
        before = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        after = json.loads(json.dumps(before))
        after["Statement"][0]["Condition"]["StringEquals"].pop("aws:RequestTag/bpnl")
    elif what == "boundary":
        before = iam.get_role(RoleName=name)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
        after = None
    elif what == "bucket":
        before = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])
        after = dict(before, Statement=[s for s in before["Statement"] if s["Sid"] != "OwnPrefixOnly"])
    put(what, name, after)
    print(json.dumps(before))


def put(what, name, document):
    iam, s3 = client("iam"), client("s3")
    text = json.dumps(document)
    if what == "policy":
        iam.put_role_policy(RoleName=name, PolicyName="tenant-role", PolicyDocument=text)
    elif what == "trust":
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=text)
    elif what == "boundary" and document is None:
        iam.delete_role_permissions_boundary(RoleName=name)
    elif what == "boundary":
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=document)
    elif what == "bucket":
        s3.put_bucket_policy(Bucket=name, Policy=text)


def restore(what, name, before):
    put(what, name, json.loads(before))


def delete(*stacks):
    cloudformation = client("cloudformation")
    for name in stacks:
        cloudformation.delete_stack(StackName=name)
        for _ in range(150):
            listed = cloudformation.list_stacks()["StackSummaries"]
            status = [stack["StackStatus"] for stack in listed if stack["StackName"] == name]
            if all(one == "DELETE_COMPLETE" for one in status):
                print(f"  {name}: deleted")
                break
            if any(one == "DELETE_FAILED" for one in status):
                sys.exit(f"{name} cannot be deleted: {status}")
            time.sleep(0.2)
        else:
            sys.exit(f"{name} is still there: {status}")


def left():
    """What there is in the account; anything but what the templates keep is a failure."""
    found = {
        "alarms": [alarm["AlarmName"] for alarm in client("cloudwatch").describe_alarms()["MetricAlarms"]],
        "buckets": [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]],
        "clusters": [arn for arn in client("ecs").list_clusters()["clusterArns"] if not arn.endswith("/default")],
        "databases": [one["DBInstanceIdentifier"] for one in client("rds").describe_db_instances()["DBInstances"]],
        "endpoints": [one["VpcEndpointId"] for one in client("ec2").describe_vpc_endpoints()["VpcEndpoints"]],
        "exports": [one["Name"] for one in client("cloudformation").list_exports()["Exports"]],
        "file systems": len(client("efs").describe_file_systems()["FileSystems"]),
        "identity pools": client("cognito-identity").list_identity_pools(MaxResults=10)["IdentityPools"],
        "keys": len([key for key in customer_keys()]),
        "load balancers": [one["LoadBalancerName"] for one in client("elbv2").describe_load_balancers()["LoadBalancers"]],
        "log groups": [one["logGroupName"] for one in client("logs").describe_log_groups()["logGroups"]],
        "networks": [one["VpcId"] for one in client("ec2").describe_vpcs()["Vpcs"] if not one["IsDefault"]],
        "policies": [one["PolicyName"] for one in client("iam").list_policies(Scope="Local")["Policies"]],
        "roles": [one["RoleName"] for one in client("iam").list_roles()["Roles"]],
        "secrets": sorted(one["Name"] for one in client("secretsmanager").list_secrets()["SecretList"]),
        "target groups": client("elbv2").describe_target_groups()["TargetGroups"],
        "user pools": [one["Name"] for one in client("cognito-idp").list_user_pools(MaxResults=10)["UserPools"]],
    }
    found = {kind: sorted(there) if isinstance(there, list) else there for kind, there in found.items() if there}
    if found != KEPT:
        sys.exit(f"left is {json.dumps(found, default=str)}\nand should be {json.dumps(KEPT)}")
    print("  nothing is left but what is meant to be kept: " + json.dumps(KEPT))


def customer_keys():
    kms = client("kms")
    for key in kms.list_keys()["Keys"]:
        described = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if described.get("KeyManager") == "CUSTOMER":
            yield described


COMMANDS = {
    command.__name__.replace("_", "-"): command
    for command in (create, update, names, secret, drop_secrets, read, overwrite, restore, delete, left)
}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[2] not in COMMANDS:
        sys.exit(f"{__doc__}commands: {', '.join(COMMANDS)}")
    URL = sys.argv[1]
    COMMANDS[sys.argv[2]](*sys.argv[3:])
