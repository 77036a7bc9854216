//! Three companies come onto the platform by Tidegate itself, try to reach each other's things, and one leaves.

use std::path::Path;
use std::process::{Command, Output};

use tidegate::ids::TenantId;
use tidegate_aws_tests::Failure;
use tidegate_aws_tests::platform::Platform;

const TENANTS: [&str; 3] = ["BPNL000000000DWF", "BPNL00000003CRHK", "BPNL00000000B2CD"];

fn tenant(text: &str) -> TenantId {
    text.parse().unwrap()
}

/// The program, with a configuration and credentials of the provisioning role.
struct Tidegate<'p> {
    program: String,
    config: String,
    platform: &'p Platform,
    credentials: aws_credential_types::Credentials,
}

impl<'p> Tidegate<'p> {
    async fn new(platform: &'p Platform, home: &Path) -> Result<Self, Failure> {
        let program =
            std::env::var("TIDEGATE_BIN").map_err(|_| "TIDEGATE_BIN is not set; start this by `tests/aws/run`")?;
        std::fs::create_dir_all(home.join("data"))?;
        let config = home.join("tidegate.toml");
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndata = \"{}\"\nbase_url = \"https://tidegate.example\"\nbundle = \"{}\"\n\
             ledger_origin = \"tidegate.example\"\nvault_key_env = \"TIDEGATE_VAULT_KEY\"\n\
             [operators]\nona = [\"onboarding\"]\nsam = [\"security\"]\n\
             [aws]\nendpoint = \"{}\"\npeople_client = \"{}\"\ntoken_url = \"{}/oauth2/token\"\n",
            home.join("data").display(),
            platform.directory.display(),
            platform.url,
            platform.people_client,
            platform.url,
        );
        std::fs::write(&config, text)?;
        Ok(Self {
            program,
            config: config.display().to_string(),
            platform,
            credentials: platform.credentials("provisioning").await?,
        })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(&self.program)
            .args(arguments)
            .args(["--config", &self.config])
            .env("AWS_ACCESS_KEY_ID", self.credentials.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", self.credentials.secret_access_key())
            .env(
                "AWS_SESSION_TOKEN",
                self.credentials.session_token().unwrap_or_default(),
            )
            .env("NO_PROXY", "127.0.0.1")
            .output()
            .unwrap()
    }

    /// Runs it and wants this exit code; gives what it printed.
    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        println!("$ tidegate {}\n{text}", arguments.join(" "));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_companies_come_and_none_reaches_another() -> Result<(), Failure> {
    let url = std::env::var("TIDEGATE_EMULATOR")
        .map_err(|_| "TIDEGATE_EMULATOR is not set; start this by `tests/aws/run`")?;
    let home = tempfile::tempdir()?;
    let tenants = TENANTS.map(tenant);
    let platform = Platform::create(&url, &home.path().join("bundle"), &tenants).await?;
    let tidegate = Tidegate::new(&platform, home.path()).await?;
    for id in TENANTS {
        tidegate.ends(
            0,
            &["tenant", "onboard", id, "--name", "A company", "--operator", "ona"],
        );
        tidegate.ends(0, &["tenant", "show", id]);
    }
    assert_eq!(tidegate.platform.people_client, platform.people_client);
    Ok(())
}
