//! `mainstay users`, `tokens`, `login` and `login-link`.

use std::io::{IsTerminal as _, Read as _, Write as _};

use mainstay_api::client::Client;
use mainstay_api::v1::{NewGrant, NewToken, NewUser, TokenView, UserView};
use serde_json::json;

use crate::args::{Granted, Login, LoginLink, TokensVerb, UsersVerb};
use crate::connect;
use crate::exit::{Exit, Failure};
use crate::screen::{Field, Screen, Style, say, table};
use crate::time::stamp;

/// The longest secret that is read.
const MAX_SECRET: u64 = 4096;

/// `mainstay users`
pub async fn users(screen: Screen, client: &Client, verb: Option<&UsersVerb>) -> Result<(), Failure> {
    let one =
        |view: UserView| screen.show(&view, |view| list_users(std::slice::from_ref(view), screen.style));
    match verb {
        None | Some(UsersVerb::List) => {
            let page = client.users().await?;
            screen.show(&page, |page| list_users(&page.items, screen.style))
        }
        Some(UsersVerb::Add { name, title, no_password, provider, grants }) => {
            let grants = grants.iter().map(|text| grant(text)).collect();
            let has_none = *no_password || provider.is_some();
            let password = if has_none { None } else { Some(new_password(name)?) };
            let (title, provider) = (title.clone(), provider.clone());
            let new = NewUser { user: name.clone(), title, password, provider, grants };
            one(client.add_user(&new).await?)
        }
        Some(UsersVerb::Provider { name, provider }) => {
            one(client.await_account(name, provider.clone()).await?)
        }
        Some(UsersVerb::Disable { name, reason }) => {
            one(client.switch_user(name, false, reason.clone()).await?)
        }
        Some(UsersVerb::Enable { name, reason }) => {
            one(client.switch_user(name, true, reason.clone()).await?)
        }
        Some(UsersVerb::Grant(Granted { name, role, on })) => {
            one(client.grant(name, &NewGrant { role: role.clone(), on: on.clone() }).await?)
        }
        Some(UsersVerb::Revoke(Granted { name, role, on })) => {
            let user = client.user(name).await?;
            let found = user.grants.iter().find(|grant| grant.role == *role && grant.on == *on);
            let Some(id) = found.and_then(|grant| grant.id.as_deref()) else {
                let has = user.grants.iter().map(|grant| format!("{}@{}", grant.role, grant.on));
                let has = has.collect::<Vec<_>>().join(", ");
                return Err(Failure::new(
                    Exit::Refused,
                    format!("`{name}` was not granted `{role}` on `{on}`"),
                )
                .hint(if has.is_empty() {
                    "nothing was granted".to_owned()
                } else {
                    format!("there is: {has}")
                }));
            };
            one(client.revoke_grant(name, id).await?)
        }
        Some(UsersVerb::Password { name, revoke_tokens }) => {
            let password = new_password(name)?;
            client.set_password(name, &password, *revoke_tokens).await?;
            let tokens = if *revoke_tokens { "their sessions and tokens" } else { "their sessions" };
            say(&format!("The password of {name} is set; {tokens} have ended"));
            Ok(())
        }
    }
}

/// `mainstay tokens`
pub async fn tokens(screen: Screen, client: &Client, verb: Option<&TokensVerb>) -> Result<(), Failure> {
    match verb {
        None => list(screen, client, false).await,
        Some(TokensVerb::List { all }) => list(screen, client, *all).await,
        Some(TokensVerb::Create { name, grants, lasts }) => {
            let new = NewToken {
                name: name.clone(),
                grants: grants.iter().map(|text| grant(text)).collect(),
                lasts_ms: u64::try_from(lasts.as_millis()).ok(),
            };
            let made = client.make_token(&new).await?;
            screen.show(&made, |made| format!("{}\n", made.token))?;
            if !screen.is_json() {
                let until = stamp(made.view.expires_at);
                say(&format!("Token {} holds until {until}; its secret is shown this once", made.view.id));
            }
            Ok(())
        }
        Some(TokensVerb::Revoke { id }) => {
            client.revoke_token(id).await?;
            say(&format!("Token {id} holds no more"));
            Ok(())
        }
    }
}

async fn list(screen: Screen, client: &Client, all: bool) -> Result<(), Failure> {
    let page = client.tokens(all).await?;
    screen.show(&page, |page| list_tokens(&page.items, screen.style))
}

/// `mainstay login`: signs in at a server and keeps a token of it, readable by this user only.
pub async fn login(screen: Screen, login: &Login) -> Result<(), Failure> {
    let url = connect::url(&login.url)?;
    let token = match &login.user {
        None => {
            let token = secret("Token: ")?;
            Client::new(url.clone(), Some(token.clone()))?.me().await?;
            token
        }
        Some(user) => {
            if !connect::is_loopback(&url) {
                return Err(Failure::new(Exit::Usage, "A password is not sent over a network without TLS")
                    .hint("forward the port over SSH and sign in at http://127.0.0.1:PORT, or keep a token with `--token`"));
            }
            let password = secret(&format!("Password of {user}: "))?;
            let client = Client::new(url.clone(), None)?;
            let client = client.with_session(&client.sign_in(user, &password).await?);
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            let me = client.me().await?;
            let grants =
                me.grants.into_iter().map(|grant| NewGrant { role: grant.role, on: grant.on }).collect();
            let lasts_ms = u64::try_from(login.lasts.as_millis()).ok();
            let new = NewToken { name: format!("login on {host}"), grants, lasts_ms };
            let made = client.make_token(&new).await;
            client.sign_out().await?;
            made?.token
        }
    };
    let me = Client::new(url.clone(), Some(token.clone()))?.me().await?;
    let path = connect::remember(&url, &token)?;
    screen.show(&json!({ "server": url, "user": me.user, "expires_at": me.expires_at }), |_| {
        format!("{} at {url}; the token is in {}\n", me.user, path.display())
    })
}

/// `mainstay login-link`
pub async fn login_link(screen: Screen, client: &Client, asked: &LoginLink) -> Result<(), Failure> {
    let link = client.sign_in_link(asked.user.as_deref()).await?;
    let url = format!("{}{}", client.base(), link.path);
    // A proxy may stand before the server, whose name the server knows.
    let url = if link.url.starts_with("https://") { link.url.clone() } else { url };
    screen.show(&json!({ "url": url, "expires_at": link.expires_at }), |_| format!("{url}\n"))?;
    if !screen.is_json() {
        say("It works once, within ten minutes.");
    }
    Ok(())
}

/// What is said with a link to sign in with, and how to get another.
pub async fn invitation(client: &Client, again: &str) -> Result<String, mainstay_api::client::ClientError> {
    let link = client.sign_in_link(None).await?;
    Ok(format!(
        "Sign in with {}{} (once, within ten minutes; {again} makes another)",
        client.base(),
        link.path
    ))
}

/// `operator@env=prod`: a role, and on what.
fn grant(text: &str) -> NewGrant {
    let (role, on) = text.split_once('@').unwrap_or((text, "*"));
    NewGrant { role: role.to_owned(), on: on.to_owned() }
}

fn grants(grants: &[mainstay_api::v1::GrantView]) -> String {
    let said: Vec<String> = grants
        .iter()
        .map(
            |grant| if grant.on == "*" { grant.role.clone() } else { format!("{}@{}", grant.role, grant.on) },
        )
        .collect();
    said.join(" ")
}

fn list_users(users: &[UserView], style: Style) -> String {
    if users.is_empty() {
        return "No user. `mainstay users add NAME --grant viewer` adds one.\n".to_owned();
    }
    let rows = users.iter().map(|user| {
        let ways = match (user.has_password, user.signs_in_with.is_some()) {
            (true, true) => "password, provider",
            (true, false) => "password",
            (false, true) => "provider",
            (false, false) => "link",
        };
        vec![
            user.user.clone().into(),
            Field::State(user.state.clone()),
            ways.into(),
            grants(&user.grants).into(),
            user.title.clone().unwrap_or_default().into(),
        ]
    });
    table(style, &["USER", "STATE", "SIGNS IN BY", "GRANTS", "NAME"], rows.collect())
}

fn list_tokens(tokens: &[TokenView], style: Style) -> String {
    if tokens.is_empty() {
        return "No token. `mainstay tokens create NAME --grant viewer` makes one.\n".to_owned();
    }
    let rows = tokens.iter().map(|token| {
        vec![
            token.id.clone().into(),
            token.user.clone().into(),
            stamp(token.expires_at).into(),
            grants(&token.grants).into(),
            token.name.clone().into(),
        ]
    });
    table(style, &["TOKEN", "USER", "HOLDS UNTIL", "GRANTS", "FOR"], rows.collect())
}

/// A new password: typed twice at a terminal, else a line of standard input.
fn new_password(name: &str) -> Result<String, Failure> {
    let password = secret(&format!("New password of {name}: "))?;
    if std::io::stdin().is_terminal() && secret("Once more: ")? != password {
        return Err(Failure::new(Exit::Usage, "The two are not the same"));
    }
    Ok(password)
}

/// A secret: typed without being shown, else a line of standard input.
fn secret(prompt: &str) -> Result<String, Failure> {
    let stdin = std::io::stdin();
    let cannot = |error: std::io::Error| Failure::local("Standard input cannot be read", &error);
    let mut text = String::new();
    if stdin.is_terminal() {
        let _ = std::io::stderr().write_all(prompt.as_bytes());
        let shown = rustix::termios::tcgetattr(&stdin).map_err(|error| cannot(error.into()))?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(rustix::termios::LocalModes::ECHO);
        let set = |modes: &rustix::termios::Termios| {
            rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, modes)
        };
        set(&hidden).map_err(|error| cannot(error.into()))?;
        let read = stdin.read_line(&mut text);
        let _ = set(&shown);
        let _ = std::io::stderr().write_all(b"\n");
        read.map_err(cannot)?;
    } else {
        stdin.lock().take(MAX_SECRET).read_to_string(&mut text).map_err(cannot)?;
    }
    let text = text.lines().next().unwrap_or_default().to_owned();
    if text.is_empty() {
        return Err(Failure::new(Exit::Usage, "A secret is needed on standard input, and there is none")
            .hint("type it, or pipe it in; it is never an argument"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_a_role_and_perhaps_on_what() {
        let of = |role: &str, on: &str| NewGrant { role: role.to_owned(), on: on.to_owned() };
        assert_eq!(grant("viewer"), of("viewer", "*"));
        assert_eq!(grant("operator@env=prod,team in (a,b)"), of("operator", "env=prod,team in (a,b)"));
    }
}
