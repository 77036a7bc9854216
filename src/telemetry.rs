//! What the program says of itself while it runs: log lines, metric names, and who subscribes to them.
//!
//! A request is logged once, at the rim, as a message with fields. Names of fields carry their units (`took_us`). What never
//! stands in a log: tokens, secrets, footprint values, whole requests, headers.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Decisions made, by `action`, `outcome` (`allow`, `deny`, `error`).
pub const DECISIONS: &str = "tidegate_decisions_total";
/// What each layer answered, by `layer` (`cedar`, `iam`) and `answer`.
pub const LAYER_ANSWERS: &str = "tidegate_layer_answers_total";
/// Decisions in which Cedar allowed what AWS would refuse, by `action`. Any is an alert.
pub const DISAGREEMENTS: &str = "tidegate_layer_disagreements_total";
/// Policies that failed to evaluate. Any is an alert.
pub const POLICY_ERRORS: &str = "tidegate_policy_errors_total";
/// Seconds to decide, both layers, without the ledger.
pub const DECIDE_SECONDS: &str = "tidegate_decide_seconds";
/// Seconds from a decision to its durable record.
pub const RECORD_SECONDS: &str = "tidegate_record_seconds";
/// Decisions made and not yet durable.
pub const LEDGER_LAG: &str = "tidegate_ledger_lag_records";
/// Records made durable since the start.
pub const LEDGER_RECORDS: &str = "tidegate_ledger_records_total";
/// Durable writes since the start; records per write is the group commit at work.
pub const LEDGER_COMMITS: &str = "tidegate_ledger_commits_total";
/// Seconds for which the log that has waited longest has had a checkpoint without its quorum of witnesses.
pub const COSIGNED_LAG: &str = "tidegate_ledger_cosigned_lag_seconds";
/// Logs that have a checkpoint without its quorum of witnesses.
pub const UNCOSIGNED_LOGS: &str = "tidegate_ledger_uncosigned_logs";
/// Checkpoints sent to witnesses, by `witness` and `outcome`: `cosigned`, or why not. `ahead` and `forked` are alerts.
pub const WITNESS_REQUESTS: &str = "tidegate_witness_requests_total";
/// Requests that got no answer because their decision could not be recorded.
pub const UNRECORDED: &str = "tidegate_unrecorded_total";
/// Tokens that did not verify, by `code`.
pub const TOKEN_REFUSALS: &str = "tidegate_token_refusals_total";
/// Footprints that were granted at the PACT endpoint and have none in PACT's words, by the `member` that cannot be told.
pub const PACT_UNTOLD: &str = "tidegate_pact_untold_total";
/// EDR tokens that could not be checked in time: the machine stalled.
pub const EDR_TIMEOUTS: &str = "tidegate_edr_timeouts_total";
/// Signals to connectors that a data flow was ended, by `outcome`: `told`, `failed` (sent again) or `given-up`.
pub const SIGNALS: &str = "tidegate_connector_signals_total";
/// 1 while a tenant's connector is as it should be, 0 while it is not, by `tenant`.
pub const CONNECTOR_UP: &str = "tidegate_connector_up";
/// Requests answered, by `route`, `method`, `status`.
pub const REQUESTS: &str = "tidegate_http_requests_total";
/// Seconds from the first byte of a request to the first byte of its answer, by `route`.
pub const REQUEST_SECONDS: &str = "tidegate_http_request_seconds";
/// Agreements that came into a state, by `state` (`active`, `retired`, `expired`).
pub const AGREEMENT_CHANGES: &str = "tidegate_agreement_changes_total";
/// 1 while the newest bundle on disk was refused and an older one is in force.
pub const BUNDLE_REFUSED: &str = "tidegate_bundle_refused";
/// Bundles put in force since the start.
pub const BUNDLE_ACTIVATIONS: &str = "tidegate_bundle_activations_total";

/// Questions a candidate bundle was asked along.
pub const SHADOW_ASKED: &str = "tidegate_shadow_asked_total";
/// Questions a candidate bundle would have decided otherwise, by `class` (`allow-to-deny`, `deny-to-allow`, `errors`, `other-reasons`).
pub const SHADOW_CHANGES: &str = "tidegate_shadow_changes_total";

/// Attempts to deliver to a partner, by `kind` (`answer`, `update`, `request`) and `outcome` (`delivered`, `postponed`, `failed`,
/// `dead`).
pub const DELIVERIES: &str = "tidegate_deliveries_total";
/// Deliveries that are not done, by `state`: `open` are still tried, `dead` were given up.
pub const DELIVERIES_WAITING: &str = "tidegate_deliveries_waiting";

/// Runs in which footprints were fetched from suppliers' systems, by the `state` they ended in (`complete`, `failed`, `stopped`).
pub const PULL_RUNS: &str = "tidegate_pull_runs_total";

/// Calls to AWS, by `service`, `operation` and `outcome`: `ok`, why not, or `kept-away` from a service that does not answer.
pub const AWS_CALLS: &str = "tidegate_aws_calls_total";
/// Seconds a call to AWS takes with all its attempts, by `service` and `operation`.
pub const AWS_CALL_SECONDS: &str = "tidegate_aws_call_seconds";
/// Sessions asked for, by `outcome`: `kept`, or `made` where STS was asked.
pub const AWS_SESSIONS: &str = "tidegate_aws_sessions_total";
/// Operations AWS refused although both layers allow them, by `action`. Any is an alert.
pub const AWS_REFUSALS: &str = "tidegate_aws_refusals_total";

/// Bounds of the latency histograms, in seconds: from a decision in memory to a request that times out.
const SECONDS: [f64; 16] = [
    0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5,
    2.0, 10.0,
];

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error. `TIDEGATE_LOG` takes the filter language of `tracing-subscriber`, such as
/// `tidegate=debug`; the default is `info`.
pub fn log_to_stderr(format: LogFormat, default: &str) {
    let filter = EnvFilter::try_from_env("TIDEGATE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second subscriber in one process is a test's; the first stays.
    let _ = match format {
        LogFormat::Text => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// Starts collecting metrics; the handle renders them for `/metrics`.
pub fn collect_metrics() -> PrometheusHandle {
    let with_bounds = |builder: PrometheusBuilder, name: &str| {
        builder
            .set_buckets_for_metric(Matcher::Full(name.to_owned()), &SECONDS)
            .ok()
    };
    let builder = [DECIDE_SECONDS, RECORD_SECONDS, REQUEST_SECONDS, AWS_CALL_SECONDS]
        .into_iter()
        .try_fold(PrometheusBuilder::new(), with_bounds)
        .unwrap_or_default();
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // As with the subscriber: the first recorder of a process stays.
    let _ = metrics::set_global_recorder(recorder);
    describe();
    handle
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!(DECISIONS, "decisions made, by action and outcome");
    describe_counter!(LAYER_ANSWERS, "what each layer answered");
    describe_counter!(
        DISAGREEMENTS,
        "decisions in which Cedar allowed what AWS would refuse, by action"
    );
    describe_counter!(POLICY_ERRORS, "policies that failed to evaluate");
    describe_histogram!(DECIDE_SECONDS, "seconds to decide, both layers, without the ledger");
    describe_histogram!(RECORD_SECONDS, "seconds from a decision to its durable record");
    describe_gauge!(LEDGER_LAG, "decisions made and not yet durable");
    describe_counter!(LEDGER_RECORDS, "records made durable since the start");
    describe_counter!(LEDGER_COMMITS, "durable writes since the start");
    describe_gauge!(
        COSIGNED_LAG,
        "seconds for which a log has had a checkpoint without its quorum of witnesses"
    );
    describe_gauge!(
        UNCOSIGNED_LOGS,
        "logs with a checkpoint without its quorum of witnesses"
    );
    describe_counter!(
        WITNESS_REQUESTS,
        "checkpoints sent to witnesses, by witness and outcome"
    );
    describe_counter!(
        UNRECORDED,
        "requests without an answer because their decision could not be recorded"
    );
    describe_counter!(TOKEN_REFUSALS, "tokens that did not verify, by code");
    describe_counter!(
        PACT_UNTOLD,
        "footprints granted at the PACT endpoint that cannot be told in PACT's words, by member"
    );
    describe_counter!(EDR_TIMEOUTS, "EDR tokens that could not be checked in time");
    describe_counter!(SIGNALS, "signals to connectors that a data flow was ended, by outcome");
    describe_gauge!(CONNECTOR_UP, "1 while a tenant's connector is as it should be");
    describe_counter!(REQUESTS, "requests answered");
    describe_histogram!(REQUEST_SECONDS, "seconds from a request to its answer");
    describe_gauge!(BUNDLE_REFUSED, "1 while the newest bundle on disk was refused");
    describe_counter!(BUNDLE_ACTIVATIONS, "bundles put in force since the start");
    describe_counter!(SHADOW_ASKED, "questions a candidate bundle was asked along");
    describe_counter!(
        SHADOW_CHANGES,
        "questions a candidate bundle would have decided otherwise, by class"
    );
    describe_counter!(DELIVERIES, "attempts to deliver to a partner, by kind and outcome");
    describe_gauge!(DELIVERIES_WAITING, "deliveries that are not done, by state");
    describe_counter!(AWS_CALLS, "calls to AWS, by service, operation and outcome");
    describe_histogram!(AWS_CALL_SECONDS, "seconds a call to AWS takes with all its attempts");
    describe_counter!(AWS_SESSIONS, "sessions asked for, by outcome");
    describe_counter!(AWS_REFUSALS, "operations AWS refused although both layers allow them");
    // Alerts are written against these; they exist from the start, at zero.
    metrics::counter!(POLICY_ERRORS).absolute(0);
    metrics::counter!(UNRECORDED).absolute(0);
    metrics::counter!(EDR_TIMEOUTS).absolute(0);
    metrics::counter!(SIGNALS, "outcome" => "given-up").absolute(0);
    metrics::gauge!(BUNDLE_REFUSED).set(0.0);
    metrics::gauge!(LEDGER_LAG).set(0.0);
}
