//! From the JSON of a contract text to its rules: what is said, not yet what it means.

use super::error::{ContractError, Fault, Path, shown};
use super::json::Json;
use super::linked::{Claims, EDC, Member, items, literals, members, odrl_name, only, reference, shape};
use super::operand::{Operand, Sort, Space, Spelled, Takes};
use super::source::{Parties, Role};
use super::{Kind, Profile};

/// The rules of a text, its operands, operators and values still as written.
pub(super) struct Document {
    /// Whether they were on record, and not written down just now.
    pub(super) on_record: bool,
    pub(super) parties: Parties,
    pub(super) kind: Kind,
    pub(super) profile: Profile,
    pub(super) permissions: Vec<RawRule>,
    pub(super) prohibitions: Vec<RawRule>,
    pub(super) obligations: Vec<RawRule>,
}

/// One rule: all its constraints must hold.
pub(super) struct RawRule {
    pub(super) path: Path,
    pub(super) constraints: Vec<RawConstraint>,
}

/// One constraint, each part with its place in the text.
pub(super) struct RawConstraint {
    pub(super) path: Path,
    pub(super) operand: (Path, Spelled),
    pub(super) operator: (Path, String),
    pub(super) values: (Path, Vec<String>),
}

/// What is gathered while a text is read.
#[derive(Default)]
struct Reader {
    claims: Claims,
    /// What the first action says, and where it stands.
    kind: Option<(Kind, Path)>,
    parties: Parties,
    /// Whether it is an agreement, which is between the parties it names.
    agreement: bool,
    /// Whether an operand is spelled in the vocabulary of older connectors.
    older: bool,
}

/// Reads the rules of a policy: the object itself, or the array of one object that JSON-LD expansion makes of it. `wanted` is the
/// kind of policy that belongs where it is read, if only one does.
pub(super) fn read(json: &Json, wanted: Option<Kind>) -> Result<Document, ContractError> {
    let (path, policy) = only(json, &Path::root(), "one policy")?;
    Reader::default().policy(policy, &path, wanted)
}

impl Reader {
    fn policy(mut self, policy: &Json, path: &Path, wanted: Option<Kind>) -> Result<Document, ContractError> {
        let members = members(policy, path)?;
        if let Some(wrapped) = members.iter().find(|member| is_wrapper(member.name)) {
            let key = shown(wrapped.name);
            return Err(wrapped.path.refuse(Fault::Wrapped { key }));
        }
        // A context governs its whole object, wherever it stands in it.
        if let Some(context) = members.iter().find(|member| member.name == "@context") {
            self.claims.read_context(context.value, &context.path)?;
        }
        let (mut permissions, mut prohibitions, mut obligations) = (Vec::new(), Vec::new(), Vec::new());
        for member in &members {
            let Member { name, path, value } = member;
            match *name {
                "@context" => {}
                "@type" => {
                    let types = ["Set", "Offer", "Agreement"];
                    self.agreement = of_type(value, path, &types, "`Set`, `Offer` or `Agreement`")? == "Agreement";
                }
                "profile" => self.claims.read_profile(value, path)?,
                "@id" | "uid" | "timestamp" => drop(reference(value, path)?),
                "target" | "assigner" | "assignee" => self.party(member)?,
                "permission" => permissions = self.rules(value, path, Sort::Permission)?,
                "prohibition" => prohibitions = self.rules(value, path, Sort::Prohibition)?,
                "obligation" => obligations = self.rules(value, path, Sort::Obligation)?,
                key => {
                    let known = "`permission`, `prohibition`, `obligation`, `profile`, `target`, `assigner`, `assignee`, \
                                 `timestamp`, `uid`, `@context`, `@id` and `@type`";
                    return Err(path.refuse(unknown(key, known)));
                }
            }
        }
        // Whatever rule there is has an action, and its action is of a kind.
        let Some(said) = self.kind.take().filter(|_| !permissions.is_empty()) else {
            return Err(path.refuse(Fault::NoPermission));
        };
        let kind = self.settle(said, wanted)?;
        Ok(Document {
            kind,
            on_record: false,
            profile: self.claims.profile(),
            parties: self.parties,
            permissions,
            prohibitions,
            obligations,
        })
    }

    /// The kind of policy it is. Who provides and who consumes is said by an agreement only: elsewhere an assignee would make the rules
    /// for one company only, and neither terms nor connectors look at it.
    fn settle(&self, (said, at): (Kind, Path), wanted: Option<Kind>) -> Result<Kind, ContractError> {
        // The older profile has no action but `use`, for access policies too.
        let older = self.older || self.claims.profile() == Profile::Cx2405;
        let kind = match wanted {
            Some(Kind::Access) if older => Kind::Access,
            Some(wanted) if wanted != said => return Err(at.refuse(Fault::OtherKind { wanted })),
            _ => said,
        };
        match self.parties.place(Role::Assignee) {
            Some(at) if kind == Kind::Access || !self.agreement => Err(at.refuse(Fault::Assignee)),
            _ => Ok(kind),
        }
    }

    fn rules(&mut self, value: &Json, path: &Path, sort: Sort) -> Result<Vec<RawRule>, ContractError> {
        let mut rules = Vec::new();
        for (path, rule) in items(value, path) {
            rules.push(self.rule(rule, path, sort)?);
        }
        Ok(rules)
    }

    fn rule(&mut self, rule: &Json, path: Path, sort: Sort) -> Result<RawRule, ContractError> {
        let mut constraints = Vec::new();
        let mut action = false;
        for member in members(rule, &path)? {
            let Member { name, path, value } = &member;
            match *name {
                "action" => {
                    self.action(value, path)?;
                    action = true;
                }
                "constraint" => self.constraints(value, path, &mut constraints)?,
                "@type" => drop(of_type(value, path, types(sort), "the name of the rule's own list")?),
                "@id" | "uid" => drop(reference(value, path)?),
                "target" | "assigner" | "assignee" => self.party(&member)?,
                "duty" | "remedy" | "consequence" => return Err(path.refuse(Fault::Duty { key: shown(name) })),
                key => {
                    let known = "`action`, `constraint`, `target`, `assigner`, `assignee`, `uid`, `@id` and `@type`";
                    return Err(path.refuse(unknown(key, known)));
                }
            }
        }
        if !action {
            return Err(path.refuse(Fault::Missing { key: "action" }));
        }
        Ok(RawRule { path, constraints })
    }

    fn action(&mut self, value: &Json, path: &Path) -> Result<(), ContractError> {
        let text = action_name(value, path)?;
        let kind = if odrl_name(text) == Some("use") {
            Kind::Usage
        } else if !text.starts_with("odrl:") && self.claims.catena_name(text, path)? == Some("access") {
            // The older profile has no such action.
            self.claims.claim(Profile::Cx2509, path)?;
            Kind::Access
        } else {
            return Err(path.refuse(Fault::Action { found: shown(text) }));
        };
        match &self.kind {
            Some((other, _)) if *other != kind => Err(path.refuse(Fault::MixedActions)),
            Some(_) => Ok(()),
            None => {
                self.kind = Some((kind, path.clone()));
                Ok(())
            }
        }
    }

    /// Who and what the agreement is about. They name the agreement, not its terms, as long as all rules name the same.
    fn party(&mut self, member: &Member<'_>) -> Result<(), ContractError> {
        let role = match member.name {
            "target" => Role::Target,
            "assigner" => Role::Assigner,
            _ => Role::Assignee,
        };
        self.parties
            .add(role, reference(member.value, &member.path)?, &member.path)
    }

    /// Reads constraints, which are all to hold: an array of them, one of them, or `and` around either.
    fn constraints(&mut self, value: &Json, path: &Path, into: &mut Vec<RawConstraint>) -> Result<(), ContractError> {
        for (path, item) in items(value, path) {
            self.constraint(item, &path, into)?;
        }
        Ok(())
    }

    fn constraint(&mut self, item: &Json, path: &Path, into: &mut Vec<RawConstraint>) -> Result<(), ContractError> {
        let (mut operand, mut operator, mut values, mut and) = (None, None, None, None);
        for Member { name, path, value } in members(item, path)? {
            match name {
                "and" => and = Some((path, value)),
                "leftOperand" => {
                    let spelled = self.claims.left_operand(reference(value, &path)?, &path)?;
                    self.older |= spelled.space == Space::Tractus;
                    operand = Some((path, spelled));
                }
                "operator" => {
                    let text = reference(value, &path)?;
                    let name = odrl_name(text).unwrap_or(text).to_owned();
                    operator = Some((path, name));
                }
                "rightOperand" => values = Some((path, value)),
                "@type" => {
                    let types = ["Constraint", "AtomicConstraint", "LogicalConstraint"];
                    of_type(value, &path, &types, "`Constraint` or `LogicalConstraint`")?;
                }
                "@id" | "uid" => drop(reference(value, &path)?),
                "or" | "xone" | "andSequence" => return Err(path.refuse(Fault::Logical { found: shown(name) })),
                key => {
                    let known = "`leftOperand`, `operator`, `rightOperand`, `and`, `uid`, `@id` and `@type`";
                    return Err(path.refuse(unknown(key, known)));
                }
            }
        }
        match (and, operand, operator, values) {
            (Some((path, value)), None, None, None) => {
                if items(value, &path).is_empty() {
                    return Err(shape(value, &path, "at least one constraint"));
                }
                self.constraints(value, &path, into)
            }
            (None, Some(operand), Some(operator), Some((at, value))) => {
                let values = right_operand(&operand, value, &at)?;
                into.push(RawConstraint {
                    path: path.clone(),
                    operand,
                    operator,
                    values: (at, values),
                });
                Ok(())
            }
            (None, None, ..) => Err(path.refuse(Fault::Missing { key: "leftOperand" })),
            (None, _, None, _) => Err(path.refuse(Fault::Missing { key: "operator" })),
            (None, ..) => Err(path.refuse(Fault::Missing { key: "rightOperand" })),
            (Some(_), ..) => Err(shape(item, path, "either `and` or one constraint, not both in one")),
        }
    }
}

/// The values a constraint compares with. Of an unknown operand, that it is unknown is said first: it says more than that
/// its value has an unknown shape.
fn right_operand((at, spelled): &(Path, Spelled), value: &Json, path: &Path) -> Result<Vec<String>, ContractError> {
    let operand = Operand::named(spelled, Profile::Cx2509);
    let numbers = operand
        .as_ref()
        .is_ok_and(|operand| matches!(operand.entry().takes, Takes::Count));
    literals(value, path, numbers).map_err(|error| match operand {
        Ok(_) => error,
        Err(fault) => at.refuse(fault),
    })
}

/// What a rule's `@type` may say.
fn types(sort: Sort) -> &'static [&'static str] {
    match sort {
        Sort::Permission => &["Permission"],
        Sort::Prohibition => &["Prohibition"],
        Sort::Obligation => &["Duty", "Obligation"],
    }
}

/// The name of an action. Older connectors wrote it as an object, `{"odrl:type": "use"}`.
fn action_name<'a>(value: &'a Json, path: &Path) -> Result<&'a str, ContractError> {
    if let Json::Object(members) = value
        && let [(key, inner)] = members.as_slice()
        && odrl_name(key) == Some("type")
    {
        return reference(inner, &path.key(key));
    }
    reference(value, path)
}

/// Whether a key holds a policy in what connectors keep of one: a policy definition or an agreement.
fn is_wrapper(key: &str) -> bool {
    let bare = key.strip_prefix(EDC).or_else(|| key.strip_prefix("edc:"));
    bare.unwrap_or(key) == "policy"
}

/// The ODRL class that `@type` names; one of those that may stand here.
fn of_type<'a>(
    value: &'a Json,
    path: &Path,
    allowed: &[&str],
    expected: &'static str,
) -> Result<&'a str, ContractError> {
    let text = reference(value, path)?;
    let name = odrl_name(text).filter(|name| allowed.contains(name));
    name.ok_or_else(|| {
        let found = shown(text);
        path.refuse(Fault::Type { found, expected })
    })
}

fn unknown(key: &str, known: &'static str) -> Fault {
    Fault::UnknownKey { key: shown(key), known }
}
