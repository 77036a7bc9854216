//! Two independent judges of Tidegate's IAM layer.
//!
//! `tidegate::iam` says what AWS would answer. It was written from AWS's documentation, and so were the cases it is held to; a
//! sentence read wrongly would be wrong in both. The judges here were written by others:
//!
//! - **an emulator of AWS that enforces IAM**, `ministack`. The documents of `policies/iam/` are rendered and really attached to
//!   roles there, secrets and objects are really created, sessions really assumed with their session policies and tags, and then
//!   the corpus is asked through the SDKs: whether a call ends in `AccessDenied` must be what Tidegate answers. After the corpus come
//!   the calls by which one tenant might reach another's things and for which Tidegate has no question ([`beyond`]), and at last the
//!   requests that take away or change what the others need ([`requests`]).
//! - **AWS itself**, by `iam:SimulateCustomPolicy`, on the isolation cases of `fixtures/iam/`: for whoever has an account
//!   ([`simulate`]).
//!
//! Beside the judges stands a scene ([`platform`], `tests/onboarding.rs`): three companies are onboarded by the program itself, with credentials of
//! the provisioning role; then one of them tries with its whole role, and nothing of Tidegate in between, whatever might reach another's
//! things; the vault reads, writes and rotates; and one company leaves and returns. What it cannot show, for the emulator does not have it: the
//! identity pool's role mapping (held by `fixtures/corpus/role-mapping`), session policies and signatures of `AssumeRoleWithWebIdentity`, and
//! `DateLessThan` on `aws:TokenIssueTime` (held by the evaluator).
//!
//! No judge is beyond doubt, an emulator least of all. So each difference is either a bug of Tidegate's, and mended, or it stands in
//! `fixtures/emulator-differences.json` with the sentence of AWS's documentation that settles it ([`differences`]). What is
//! listed and does not differ fails as much as what differs and is not listed. What cannot be asked at all is counted and told
//! with its reason.
//!
//! # Worked example
//!
//! The corpus asks whether `ada` of BPNL000000000DWF may read a secret of BPNL00000000B2CD. The correspondence of layers makes that
//! `secretsmanager:GetSecretValue` on an ARN, as a session of the role `tidegate-tenant-BPNL000000000DWF` under the session policy
//! `session-secret-read`. [`deployment`] has created that role and that secret; [`call`] makes `GetSecretValue` with the session's
//! credentials; the emulator answers `AccessDeniedException`. `engine::ask_iam` says `implicitDeny`: they agree.
//!
//! ```text
//! $ tests/aws/run
//! ```
//!
//! starts the emulator on loopback and runs it all. This crate is a workspace member of its own because the SDKs take minutes to
//! compile; nothing of them is in the default build.

pub mod beyond;
pub mod call;
pub mod clients;
pub mod corpus;
pub mod deployment;
pub mod differences;
pub mod platform;
pub mod report;
pub mod requests;
pub mod simulate;
pub mod translate;

/// Whatever keeps a judge from judging: it cannot be reached, answers what nobody expects, a fixture cannot be read.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
