//! From the request's JSON to what is asked. What is not known is refused by name.

use super::entries;
use super::error::SimulateError;
use super::policies::Source;
use crate::iam::context::Context;
use crate::iam::json::{Member, Node, Value};
use crate::iam::request::{Arn, Principal, is_account};

/// What may stand in a request.
const KNOWN: [&str; 12] = [
    "PolicyInputList",
    "PermissionsBoundaryPolicyInputList",
    "SessionPolicyInputList",
    "ServiceControlPolicyInputLists",
    "ResourceControlPolicyInputLists",
    "OrderedOrganizationPolicyInputList",
    "ActionNames",
    "ResourceArns",
    "ResourcePolicy",
    "ResourceOwner",
    "CallerArn",
    "ContextEntries",
];

/// A request, read.
pub(super) struct Input<'n> {
    pub(super) actions: Vec<&'n str>,
    pub(super) resources: Vec<&'n str>,
    pub(super) caller: Option<Principal<'n>>,
    /// The account of resources whose ARN does not show it.
    pub(super) owner: Option<&'n str>,
    pub(super) context: Context<'n>,
    pub(super) identity: Vec<Source<'n>>,
    pub(super) boundary: Option<Source<'n>>,
    pub(super) session: Vec<Source<'n>>,
    pub(super) scp: Vec<Vec<Source<'n>>>,
    pub(super) rcp: Vec<Source<'n>>,
    pub(super) resource_policy: Option<Source<'n>>,
}

impl<'n> Input<'n> {
    pub(super) fn read(text: &'n str, root: &'n Node) -> Result<Self, SimulateError> {
        let reader = Reader { text };
        let Value::Object(members) = &root.value else {
            return Err(reader.wrong(
                root,
                "a request is an object such as `{\"PolicyInputList\": …, \"ActionNames\": …}`",
            ));
        };
        reader.known(members)?;
        let get = |name: &str| {
            let member = members.iter().find(|member| member.key == name);
            // A writer that has nothing to say may say so.
            member
                .map(|member| &member.node)
                .filter(|node| !matches!(node.value, Value::Null))
        };
        let policies = |name: &str| get(name).map_or(Ok(Vec::new()), |node| reader.policies(name, node));
        let required = |name: &str, hint: &str| {
            get(name).ok_or_else(|| reader.wrong(root, format!("the request lacks `{name}`; {hint}")))
        };
        let identity = required("PolicyInputList", "give the caller's policies, `[]` if there are none")?;
        let actions = required("ActionNames", "give what to ask for, such as `[\"s3:GetObject\"]`")?;
        let caller = get("CallerArn").map(|node| reader.caller(node)).transpose()?;
        let resource_policy = get("ResourcePolicy")
            .map(|node| reader.policy("ResourcePolicy".to_owned(), node))
            .transpose()?;
        if let (Some(_), None, Some(node)) = (&resource_policy, &caller, get("ResourcePolicy")) {
            let message = "`ResourcePolicy` names principals, so `CallerArn` must say who asks; add it";
            return Err(reader.wrong(node, message));
        }
        Ok(Self {
            actions: reader.actions(actions)?,
            resources: get("ResourceArns").map_or(Ok(vec!["*"]), |node| reader.resources(node))?,
            caller,
            owner: get("ResourceOwner").map(|node| reader.owner(node)).transpose()?,
            context: get("ContextEntries").map_or(Ok(Context::new()), |node| entries::read(&reader, node))?,
            identity: reader.policies("PolicyInputList", identity)?,
            boundary: reader.boundary(get("PermissionsBoundaryPolicyInputList"))?,
            session: policies("SessionPolicyInputList")?,
            scp: reader.organization(
                get("ServiceControlPolicyInputLists"),
                get("OrderedOrganizationPolicyInputList"),
            )?,
            rcp: reader
                .levels(
                    "ResourceControlPolicyInputLists",
                    get("ResourceControlPolicyInputLists"),
                )?
                .into_iter()
                .flatten()
                .collect(),
            resource_policy,
        })
    }
}

/// Reads values of a request whose text is at hand.
pub(super) struct Reader<'n> {
    text: &'n str,
}

impl<'n> Reader<'n> {
    pub(super) fn wrong(&self, node: &Node, message: impl Into<String>) -> SimulateError {
        SimulateError::at(self.text, node, message)
    }

    fn known(&self, members: &[Member]) -> Result<(), SimulateError> {
        for member in members {
            let name = member.key.as_str();
            let why = match name {
                "MaxItems" | "Marker" => "every answer is complete and never comes in parts; remove it",
                "ResourceHandlingOption" => {
                    "which resources an EC2 call needs is not known here; remove it and name the resources in `ResourceArns`"
                }
                _ if KNOWN.contains(&name) => continue,
                _ => "",
            };
            let message = if why.is_empty() {
                let name = shown(name);
                format!("`{name}` is not a member of a request; known: {}", KNOWN.join(", "))
            } else {
                format!("`{name}` is not supported: {why}")
            };
            let place = crate::iam::json::position(self.text, member.key_span.start);
            return Err(SimulateError::plain(message).placed(place));
        }
        Ok(())
    }

    pub(super) fn string(&self, what: &str, node: &'n Node) -> Result<&'n str, SimulateError> {
        match &node.value {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong(node, format!("{what} must be a string"))),
        }
    }

    pub(super) fn list(&self, what: &str, node: &'n Node) -> Result<&'n [Node], SimulateError> {
        match &node.value {
            Value::Array(nodes) => Ok(nodes),
            _ => Err(self.wrong(node, format!("`{what}` must be a list"))),
        }
    }

    fn actions(&self, node: &'n Node) -> Result<Vec<&'n str>, SimulateError> {
        let nodes = self.list("ActionNames", node)?;
        if nodes.is_empty() {
            return Err(self.wrong(
                node,
                "`ActionNames` is empty; name at least one action, such as `s3:GetObject`",
            ));
        }
        nodes
            .iter()
            .map(|node| {
                let action = self.string("an action in `ActionNames`", node)?;
                let sound = |part: &str, more: &[u8]| {
                    !part.is_empty()
                        && part
                            .bytes()
                            .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
                };
                let whole = action
                    .split_once(':')
                    .is_some_and(|(service, name)| sound(service, b"-") && sound(name, b""));
                if whole && action.len() <= 128 {
                    return Ok(action);
                }
                let message = if action.contains(['*', '?']) {
                    format!(
                        "`{}` has a wildcard; as in AWS's simulator, name each action in full",
                        shown(action)
                    )
                } else {
                    format!(
                        "`{}` is not the name of an action; write `service:Name`, such as `s3:GetObject`",
                        shown(action)
                    )
                };
                Err(self.wrong(node, message))
            })
            .collect()
    }

    fn resources(&self, node: &'n Node) -> Result<Vec<&'n str>, SimulateError> {
        let nodes = self.list("ResourceArns", node)?;
        if nodes.is_empty() {
            return Ok(vec!["*"]);
        }
        nodes
            .iter()
            .map(|node| {
                let resource = self.string("a resource in `ResourceArns`", node)?;
                let arn = Arn::split(resource);
                let whole = arn.is_some_and(|arn| ![arn.partition, arn.service, arn.resource].contains(&""));
                if (whole || resource == "*") && resource.len() <= 2048 {
                    return Ok(resource);
                }
                let help = "write `arn:partition:service:region:account:resource` (at most 2048 bytes) or `*`";
                Err(self.wrong(node, format!("`{}` is not a resource; {help}", shown(resource))))
            })
            .collect()
    }

    fn caller(&self, node: &'n Node) -> Result<Principal<'n>, SimulateError> {
        let text = self.string("`CallerArn`", node)?;
        let principal = Principal::parse(text);
        let principal = principal.map_err(|error| self.wrong(node, format!("`CallerArn`: {error}")))?;
        match principal.account() {
            Some(account) if !is_account(account) => {
                let message = format!("`CallerArn`: `{}` shows no account of twelve digits", shown(text));
                Err(self.wrong(node, message))
            }
            _ => Ok(principal),
        }
    }

    fn owner(&self, node: &'n Node) -> Result<&'n str, SimulateError> {
        let text = self.string("`ResourceOwner`", node)?;
        let account = match Arn::split(text) {
            Some(arn) if arn.service == "iam" && arn.resource == "root" => arn.account,
            Some(_) => "",
            None => text,
        };
        if is_account(account) {
            return Ok(account);
        }
        let help = "write its twelve digits or `arn:aws:iam::111122223333:root`";
        Err(self.wrong(
            node,
            format!("`ResourceOwner`: `{}` names no account; {help}", shown(text)),
        ))
    }

    fn policy(&self, name: String, node: &'n Node) -> Result<Source<'n>, SimulateError> {
        let text = match &node.value {
            Value::String(text) => text,
            Value::Object(_) => self.text.get(node.span.clone()).unwrap_or_default(),
            _ => {
                return Err(self.wrong(
                    node,
                    format!("`{name}` must be a policy, as an object or as a string with its JSON"),
                ));
            }
        };
        Ok(Source { name, text })
    }

    fn policies(&self, name: &str, node: &'n Node) -> Result<Vec<Source<'n>>, SimulateError> {
        let nodes = self.list(name, node)?.iter().enumerate();
        nodes
            .map(|(index, node)| self.policy(format!("{name}.{}", index + 1), node))
            .collect()
    }

    fn levels(&self, name: &str, node: Option<&'n Node>) -> Result<Vec<Vec<Source<'n>>>, SimulateError> {
        let Some(node) = node else { return Ok(Vec::new()) };
        let level = |(index, node)| self.policies(&format!("{name}.{}", index + 1), node);
        self.list(name, node)?.iter().enumerate().map(level).collect()
    }

    fn boundary(&self, node: Option<&'n Node>) -> Result<Option<Source<'n>>, SimulateError> {
        const NAME: &str = "PermissionsBoundaryPolicyInputList";
        let Some(node) = node else { return Ok(None) };
        let mut policies = self.policies(NAME, node)?;
        if policies.len() > 1 {
            return Err(self.wrong(
                node,
                format!(
                    "`{NAME}` holds {} policies; a caller has one boundary at most",
                    policies.len()
                ),
            ));
        }
        Ok(policies.pop())
    }

    /// Service control policies level by level, as lists of lists or in AWS's own form.
    fn organization(
        &self,
        lists: Option<&'n Node>,
        ordered: Option<&'n Node>,
    ) -> Result<Vec<Vec<Source<'n>>>, SimulateError> {
        const ORDERED: &str = "OrderedOrganizationPolicyInputList";
        const MEMBER: &str = "ServiceControlPolicyInputList";
        let Some(ordered) = ordered else {
            return self.levels("ServiceControlPolicyInputLists", lists);
        };
        if lists.is_some() {
            let message = format!("`{ORDERED}` and `ServiceControlPolicyInputLists` say the same; keep one of the two");
            return Err(self.wrong(ordered, message));
        }
        let level = |(index, node): (usize, &'n Node)| match &node.value {
            Value::Object(members) => match members.as_slice() {
                [member] if member.key == MEMBER => {
                    self.policies(&format!("{ORDERED}.{}.{MEMBER}", index + 1), &member.node)
                }
                _ => Err(self.wrong(node, format!("a level of `{ORDERED}` has the one member `{MEMBER}`"))),
            },
            _ => Err(self.wrong(node, format!("a level of `{ORDERED}` must be an object"))),
        };
        self.list(ORDERED, ordered)?.iter().enumerate().map(level).collect()
    }
}

/// Text of the request as it may stand in a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_debug).collect()
}
