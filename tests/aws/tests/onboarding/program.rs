//! The program that is tested.

use std::path::Path;
use std::process::{Command, Output};

use aws_credential_types::Credentials;
use tempfile::TempDir;
use tidegate::ids::TenantId;
use tidegate_aws_tests::Failure;
use tidegate_aws_tests::platform::Platform;

/// The program, with a configuration and credentials of the provisioning role.
pub(crate) struct Tidegate {
    program: String,
    config: String,
    credentials: Credentials,
}

/// The platform in an account of its own on the emulator, for these companies, and the program that administers it. The directory holds
/// what the two need.
pub(crate) async fn platform(
    account: &'static str,
    tenants: &[TenantId],
) -> Result<(TempDir, Platform, Tidegate), Failure> {
    let url = std::env::var("TIDEGATE_EMULATOR")
        .map_err(|_| "TIDEGATE_EMULATOR is not set; start this by `tests/aws/run`")?;
    let home = tempfile::tempdir()?;
    let platform = Platform::create((&url, account), &home.path().join("bundle"), tenants).await?;
    let tidegate = Tidegate::new(&platform, home.path()).await?;
    Ok((home, platform, tidegate))
}

impl Tidegate {
    async fn new(platform: &Platform, home: &Path) -> Result<Self, Failure> {
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
            credentials: platform.credentials("provisioning").await?,
        })
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
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

    /// A company comes; gives what is printed.
    #[track_caller]
    pub(crate) fn onboards(&self, tenant: TenantId) -> String {
        let who = [tenant.as_str(), "--name", "A company", "--operator", "ona"];
        self.ends(0, &[&["tenant", "onboard"], &who[..]].concat())
    }

    /// Runs it and wants this exit code; gives what it printed.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        println!("$ tidegate {}\n{text}", arguments.join(" "));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        text
    }
}
