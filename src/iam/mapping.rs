//! From a person's groups to credentials: what Cognito and STS make of a sign-in, without either.
//!
//! A person of a tenant may fetch credentials of the tenant's role without asking Tidegate: from the identity pool, with the ID
//! token of the user pool. Cedar is not asked then. What stands between a person and another company's role are the groups they
//! are in, the pool's role mapping, the pool's principal tags and the role's trust policy. No emulator of AWS knows the first
//! three, so they are written down here, from AWS's documentation, and held by `fixtures/corpus/role-mapping`.
//!
//! # One sign-in
//!
//! Ada is of `BPNL000000000DWF`, and by a mistake of whoever tends the user pool she is in an admin's group of another company. The
//! pool reads her role from her token, finds it is the other company's, and tags the session with whose she is: with the claim
//! `custom:bpnl`. The other company's trust policy asks for its own number in that tag, and refuses.
//!
//! ```
//! # use tidegate::bundle::{Bundle, Source};
//! use tidegate::groups;
//! use tidegate::iam::mapping::{Call, IdToken, Person, Refusal, RoleClaims, SignIn};
//! use tidegate::iam::Isolation;
//! # let bundle = Bundle::load(Source::built_in()).unwrap();
//! # let at = "2026-11-21T09:00:00Z".parse().unwrap();
//! let pool = groups::identity_pool();
//! let sign_in = |group: &str| {
//!     let of: tidegate::ids::TenantGroup = group.parse().unwrap();
//!     let groups = groups::of_tenant(&bundle, Isolation::Role, of.tenant, at).unwrap();
//!     let hers = groups.iter().filter(|known| known.name == group);
//!     let token = IdToken {
//!         roles: RoleClaims::of(hers),
//!         claims: [("custom:bpnl".to_owned(), "BPNL000000000DWF".to_owned())].into(),
//!     };
//!     let ada = SignIn {
//!         person: Some(Person { token, signed_out: false }),
//!         call: Call::Enhanced { custom_role: None },
//!     };
//!     bundle.account.sign_in(&pool, &ada)
//! };
//!
//! let own = sign_in("BPNL000000000DWF.admin").unwrap();
//! assert_eq!(own.role, "arn:aws:iam::123456789012:role/tidegate-tenant-BPNL000000000DWF");
//! assert_eq!(own.tags["bpnl"], "BPNL000000000DWF");
//!
//! let other = sign_in("BPNL00000003CRHK.admin").unwrap_err();
//! assert_eq!(other.code(), "trust");
//! // A group that carries no role gives none, whoever's it is.
//! assert_eq!(sign_in("BPNL000000000DWF.viewer").unwrap_err().code(), "ambiguous");
//! ```
//!
//! # The steps
//!
//! | step | done by | refuses with |
//! |---|---|---|
//! | 1. groups become the claims `cognito:roles` and `cognito:preferred_role` ([`RoleClaims`]) | user pool | |
//! | 2. is the login still good, are there guests, is the classic flow on ([`IdentityPool`]) | identity pool | `signed-out`, `guests`, `classic-flow` |
//! | 3. claims become one role ([`RoleMapping`]) | identity pool | `custom-role`, `ambiguous`, `no-default-role`, `too-many-rules`, `list-claim` |
//! | 4. claims become session tags | identity pool | |
//! | 5. the role's trust policy is asked about both | STS | `trust` |
//!
//! In the **classic flow** the caller takes the pool's token to STS themselves and names any role; the pool maps nothing and tags
//! nothing. Our pool has it off. Were it on, step 5 would still refuse, for no trust policy of ours admits a session without a tag.
//!
//! # What the documentation leaves open
//!
//! - A person without any role, under Token mapping: the guide speaks of `AmbiguousRoleResolution` where there are several roles.
//!   Taken as ambiguous too, which is the wider reading where that is `AuthenticatedRole`.
//! - A group of the best precedence without a role: passed over. Our groups leave no room for it: those with a role come first.
//! - `CustomRoleArn` under Rules mapping "overrides the order": taken as a choice among the roles of the rules that match.
//! - A rule about `cognito:groups`, which is a list: refused.
//! - `ServerSideTokenCheck` looks for users who signed out everywhere or were deleted. That a person was *disabled* or left a group
//!   since is not seen by it: credentials can be had until the token expires, and live on until they expire.
//!
//! Sources: Amazon Cognito Developer Guide, "Using role-based access control", "Adding groups to a user pool", "Identity pools
//! authentication flow", "Using attributes for access control"; API reference of cognito-identity, `RoleMapping`, `MappingRule`,
//! `CognitoIdentityProvider`. None of it was confirmed on a real account.

mod claims;
mod lint;
mod pool;
mod session;

pub use claims::{Group, IdToken, RoleClaims};
pub use lint::{Finding, Known, lint};
pub use pool::{Ambiguous, IdentityPool, MAX_RULES, MatchType, NoRole, PoolRoles, RoleMapping, Rule, Rules};
pub use session::{Call, Credentials, Person, Refusal, SignIn};
