//! `tutk cloud login`: exchanges email, password and developer key for a token.

use tutk_cloud::{Account, Response, SecondFactor, Secret, SignIn, SignInStatus};

use super::{Cloud, SIGN_IN, failure, token};
use crate::args::cloud::{API_KEY_VARIABLE, LoginArgs, PASSWORD_VARIABLE};
use crate::console::Console;
use crate::failure::{Failure, Status};
use crate::prompt::{Echo, Prompt};
use crate::secret_text::SecretText;
use crate::table::printable;

pub(super) async fn run(
    args: &LoginArgs,
    console: &Console,
    cloud: &mut Cloud<'_>,
) -> Result<(), Failure> {
    // Checks first that the token can be stored.
    token::path(SIGN_IN)?;
    let prompt = Prompt::new(SIGN_IN);
    let sign_in = ask(args, &prompt, cloud).await?;
    let answer = cloud.send(SIGN_IN, sign_in.request()).await?;
    let signed_in = match read(&sign_in, &answer)? {
        SignInStatus::SecondFactorRequired(factor) => {
            second(&sign_in, &factor, &prompt, cloud).await?
        }
        done @ SignInStatus::Complete { .. } => done,
    };
    let SignInStatus::Complete {
        access_token,
        user_id,
    } = signed_in
    else {
        let what = "the second factor was rejected";
        return Err(Failure::new(
            Status::Refused,
            SIGN_IN,
            what,
            "try again with a new code",
        ));
    };
    let account = Account {
        access_token,
        user_id,
        phone_id: token::phone_id(SIGN_IN)?,
    };
    let path = token::write(SIGN_IN, &account)?.display().to_string();
    console.line(format_args!("logged in; the token is stored in {path}"));
    if let Some(user_id) = &account.user_id {
        console.line(format_args!("user id {}", printable(user_id)));
    }
    cloud.report.output = Some(path);
    cloud.report.user_id = account.user_id;
    Ok(())
}

/// Prompts for all values that are not set.
async fn ask(args: &LoginArgs, prompt: &Prompt, cloud: &mut Cloud<'_>) -> Result<SignIn, Failure> {
    let variable = |name| std::env::var(name).ok();
    let mut answer = async |what, given: Option<String>, echo, otherwise| match given {
        Some(given) if !given.is_empty() => Ok(SecretText::from(given)),
        _ => prompt.ask(what, echo, otherwise, cloud.stop).await,
    };
    let email = answer("Email", args.email.clone(), Echo::On, "set --email").await?;
    let password = variable(PASSWORD_VARIABLE);
    let password = answer("Password", password, Echo::Off, "set TUTK_CLOUD_PASSWORD").await?;
    let key_id = answer("Key ID", args.key_id.clone(), Echo::On, "set --key-id").await?;
    let key = variable(API_KEY_VARIABLE);
    let key = answer("API key", key, Echo::Off, "set TUTK_CLOUD_API_KEY").await?;
    let [email, password, key_id, key] = [&email, &password, &key_id, &key].map(SecretText::reveal);
    SignIn::new(email, password, key_id, key).map_err(|error| failure(SIGN_IN, &error))
}

async fn second(
    sign_in: &SignIn,
    factor: &SecondFactor,
    prompt: &Prompt,
    cloud: &mut Cloud<'_>,
) -> Result<SignInStatus, Failure> {
    let Some(app) = &factor.app else {
        let what = format!(
            "the account requires a second factor that tutk does not support: {}",
            printable(&factor.options.join(", "))
        );
        let advice = "add an authenticator app to the account in the vendor's app";
        return Err(Failure::new(Status::Refused, SIGN_IN, what, advice));
    };
    let otherwise = "add it as the last line of standard input";
    let code = prompt
        .ask(
            "Code of the authenticator app",
            Echo::On,
            otherwise,
            cloud.stop,
        )
        .await?;
    let request = sign_in.request_with_code(app, &Secret::new(code.reveal()));
    let answer = cloud.send(SIGN_IN, request).await?;
    read(sign_in, &answer)
}

fn read(sign_in: &SignIn, answer: &Response) -> Result<SignInStatus, Failure> {
    sign_in
        .parse_response(answer)
        .map_err(|error| failure(SIGN_IN, &error))
}
