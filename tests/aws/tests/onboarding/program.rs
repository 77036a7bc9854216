//! The program that is tested.

use std::path::Path;
use std::process::{Command, Output};

use aws_credential_types::Credentials;
use tidegate_aws_tests::Failure;
use tidegate_aws_tests::platform::Platform;

/// The program, with a configuration and credentials of the provisioning role.
pub(crate) struct Tidegate {
    program: String,
    config: String,
    credentials: Credentials,
}

impl Tidegate {
    pub(crate) async fn new(platform: &Platform, home: &Path) -> Result<Self, Failure> {
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
