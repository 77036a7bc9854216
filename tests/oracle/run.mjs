// Asks @cloud-copilot/iam-simulate: one request of SimulateCustomPolicy (with the members `tidegate iam simulate` adds) on each
// line of standard input, one decision on each line of standard output.
//
// The engine is called as its own tests call it, below the package's two front doors. `runSimulation` drops condition keys that
// its database does not list for an action, and refuses actions and resources it does not know; `runUnsafeSimulation` takes
// every key but leaves the session policy out. Both would answer another question than the one asked. What the first does
// besides is done here: policies are validated, and each level of resource control policies gets AWS's own.

import { createInterface } from 'node:readline';
import { loadPolicy } from '@cloud-copilot/iam-policy';
import * as validators from '@cloud-copilot/iam-policy';
import { authorize } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/core_engine/CoreSimulatorEngine.js';
import { AwsRequestImpl } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/request/request.js';
import { RequestContextImpl } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/requestContext.js';
import { DiscoveryContextKeyConstraints } from './node_modules/@cloud-copilot/iam-simulate/dist/esm/context_keys/discoveryContextKeyConstraints.js';

const DECISIONS = { Allowed: 'allowed', ExplicitlyDenied: 'explicitDeny', ImplicitlyDenied: 'implicitDeny' };
const FULL_ACCESS = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' }]
};

const account = (arn) => arn.split(':')[4] ?? '';

function load(policy, name, validate) {
  const document = typeof policy === 'string' ? JSON.parse(policy) : policy;
  const errors = validate(document);
  if (errors.length > 0) {
    throw new Error(`${name}: ${JSON.stringify(errors)}`);
  }
  return loadPolicy(document, { name });
}

// The keys AWS puts into every request; the engine derives none.
function derived(caller, owner) {
  const keys = {};
  if (/^arn:.*:\d{12}:/.test(caller) && !/-provider\//.test(caller)) {
    keys['aws:PrincipalAccount'] = account(caller);
    keys['aws:PrincipalArn'] = caller.replace(/^arn:([^:]*):sts::(\d+):assumed-role\/([^/]+)\/.*$/, 'arn:$1:iam::$2:role/$3');
  }
  if (owner) {
    keys['aws:ResourceAccount'] = owner;
  }
  return keys;
}

function context(question, caller, owner) {
  const keys = derived(caller, owner);
  for (const entry of question.ContextEntries ?? []) {
    const name = entry.ContextKeyName;
    const known = Object.keys(keys).find((key) => key.toLowerCase() === name.toLowerCase());
    delete keys[known];
    keys[name] = entry.ContextKeyType?.endsWith('List') ? entry.ContextKeyValues : entry.ContextKeyValues[0];
  }
  return keys;
}

// What the engine is called with.
function prepare(question) {
  const [action] = question.ActionNames;
  const [resource] = question.ResourceArns;
  const caller = question.CallerArn;
  const shown = /^\d{12}$/.test(account(resource)) ? account(resource) : undefined;
  const owner = shown ?? question.ResourceOwner ?? account(caller);
  const list = (name, validate) => (question[name] ?? []).map((policy, index) => load(policy, `${name}.${index}`, validate));
  const levels = (name, validate, more) =>
    (question[name] ?? []).map((level, at) => ({
      orgIdentifier: `${name}.${at}`,
      policies: [...more, ...level.map((policy, index) => load(policy, `${name}.${at}.${index}`, validate))]
    }));
  const [sessionPolicy, ...more] = list('SessionPolicyInputList', validators.validateIdentityPolicy);
  if (more.length > 0) {
    throw new Error('the engine takes one session policy');
  }
  const boundaries = list('PermissionsBoundaryPolicyInputList', validators.validateIdentityPolicy);
  const trust = /^sts:(AssumeRole|TagSession|SetSourceIdentity)/i.test(action) && /:role\//.test(resource);
  const resourceValidator = trust ? validators.validateTrustPolicy : validators.validateResourcePolicy;
  return {
    request: new AwsRequestImpl(
      caller === '*' ? { type: 'Anonymous' } : caller,
      { resource, accountId: owner },
      action,
      new RequestContextImpl(context(question, caller, owner)),
      resource === '*'
    ),
    sessionPolicy,
    identityPolicies: list('PolicyInputList', validators.validateIdentityPolicy),
    serviceControlPolicies: levels('ServiceControlPolicyInputLists', validators.validateServiceControlPolicy, []),
    resourceControlPolicies: levels('ResourceControlPolicyInputLists', validators.validateResourceControlPolicy, [
      loadPolicy(FULL_ACCESS, { name: 'RCPFullAWSAccess' })
    ]),
    resourcePolicy: question.ResourcePolicy ? load(question.ResourcePolicy, 'ResourcePolicy', resourceValidator) : undefined,
    permissionBoundaries: boundaries.length > 0 ? boundaries : undefined,
    vpcEndpointPolicies: undefined,
    simulationParameters: {
      simulationMode: 'Strict',
      discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([])
    },
    serviceSettings: {}
  };
}

const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
const [timing, rounds] = process.argv.slice(2);

if (timing === '--time') {
  // With the number of rounds: the mean time of one answer in nanoseconds, over everything asked, policies read beforehand.
  const prepared = [];
  for await (const line of lines) {
    prepared.push(prepare(JSON.parse(line)));
  }
  prepared.forEach((question) => authorize(question));
  const started = process.hrtime.bigint();
  for (let round = 0; round < Number(rounds); round += 1) {
    prepared.forEach((question) => authorize(question));
  }
  const took = Number(process.hrtime.bigint() - started);
  process.stdout.write(`${took / Number(rounds) / prepared.length}\n`);
} else {
  for await (const line of lines) {
    let said;
    try {
      const { result } = authorize(prepare(JSON.parse(line)));
      said = DECISIONS[result] ?? `unknown: ${result}`;
    } catch (error) {
      said = `error: ${error.message}`;
    }
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }
}
