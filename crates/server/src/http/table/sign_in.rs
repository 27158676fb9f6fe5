//! The operations of people: signing in, tokens, users.

use std::sync::Arc;

use mainstay_api::v1::{
    AwaitedAccount, ChangePassword, ErrorKind, MadeToken, Me, NewGrant, NewToken, NewUser, Reason,
    SessionView, SignIn, SignInLink, SignInWays, TokenView, UserView,
};
use serde_json::{Value, json};

use super::super::people::LinkFor;
use super::super::routes::{Needs, Routes, op};
use super::super::{bodies, oidc, people};
use super::{MANAGE, of};
use crate::access::oidc::Said;
use crate::app::App;

use ErrorKind::{Conflict, Invalid, NotFound};
use Needs::Nothing;

/// Signing in, tokens, users and what they were granted.
pub(super) fn operations(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    users(tokens(sessions(routes)))
}

fn sessions(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    let html = "text/html; charset=utf-8";
    routes
        .tag("Sign-in")
        .get("/v1/sign-in", op(Nothing, "getSignInWays", "How people may sign in").gives::<SignInWays>(), people::ways)
        .post(
            "/v1/sign-in",
            op(Nothing, "signIn", "Begins a session, with a name and a password")
                .note("The answer sets a cookie. Whoever is refused is not told which of both is wrong; too many tries are answered with 429 and `Retry-After`.")
                .takes::<SignIn>().up_to(bodies::OF_STRANGERS)
                .fails(&[ErrorKind::Unauthenticated, ErrorKind::Forbidden, Conflict, ErrorKind::Busy])
                .gives::<Me>(),
            people::sign_in,
        )
        .get(
            "/v1/sign-in/oidc/{provider}",
            op(Nothing, "beginSignIn", "Sends a browser to a provider of OpenID Connect")
                .asks::<oidc::BeginQuery>()
                .fails(&[ErrorKind::Busy])
                .says(303, "To the provider, with a cookie that the end is known by.", Value::Null),
            oidc::begin,
        )
        .get(
            "/v1/sign-in/oidc/{provider}/callback",
            op(Nothing, "endSignIn", "Back from the provider: begins a session")
                .asks::<Said>()
                .says(200, "Signed in, with a cookie; on to the page that it was begun from.", json!({ html: { "schema": { "type": "string" } } }))
                .says_each(&[400, 401, 403, 404, 409, 422, 500, 503], "Not signed in, and why.", &json!({ html: { "schema": { "type": "string" } }, "application/problem+json": of("ErrorBody") })),
            oidc::callback,
        )
        .get(
            "/v1/sign-in/oidc/{provider}/sign-out",
            op(Nothing, "signOutAtProvider", "Sends a browser to where its session at the provider ends")
                .says(303, "To the provider.", Value::Null),
            oidc::sign_out,
        )
        .post(
            "/v1/sign-in/link",
            op(MANAGE, "createSignInLink", "A link that signs a browser in, once")
                .takes::<LinkFor>()
                .once()
                .fails(&[NotFound, Conflict])
                .gives::<SignInLink>(),
            people::link,
        )
        .get(
            "/enter/{code}",
            op(Nothing, "enter", "Opens what a link is for to the browser that shows its code, once")
                .asks::<people::EnterQuery>()
                .says(200, "Another site has led here, and there is a session: whether to sign in instead.", json!({ html: { "schema": { "type": "string" } } }))
                .says(303, "On to the page, with a cookie.", Value::Null)
                .says(401, "The code is not known, or no longer; or nobody looks at what is opened.", json!({ html: { "schema": { "type": "string" } } })),
            people::enter,
        )
        .post("/v1/sign-out", op(Needs::SignedIn, "signOut", "Ends the session").gives_nothing(), people::sign_out)
        .get(
            "/v1/me",
            op(Needs::SignedIn, "getMe", "Who is asking, and what they may").asks::<people::MeQuery>().gives::<Me>(),
            people::me,
        )
        .post(
            "/v1/me/password",
            op(Needs::SignedIn, "changeMyPassword", "Changes one's password; ends all other sessions")
                .takes::<ChangePassword>()
                .fails(&[Conflict, Invalid, ErrorKind::Busy])
                .gives_nothing(),
            people::my_password,
        )
        .get(
            "/v1/sessions",
            op(Needs::SignedIn, "listSessions", "Sessions that hold").asks::<people::Whose>().gives_page::<SessionView>(),
            people::sessions,
        )
        .delete("/v1/sessions/{id}", op(Needs::SignedIn, "endSession", "Ends a session").gives_nothing(), people::end_session)
}

fn tokens(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .tag("Sign-in")
        .get(
            "/v1/tokens",
            op(Needs::SignedIn, "listTokens", "Tokens that hold")
                .asks::<people::Whose>()
                .gives_page::<TokenView>(),
            people::tokens,
        )
        .post(
            "/v1/tokens",
            op(Needs::SignedIn, "createToken", "Makes a token; its secret is shown this once")
                .takes::<NewToken>()
                .once()
                .fails(&[Conflict, Invalid])
                .makes::<MadeToken>(),
            people::make_token,
        )
        .get(
            "/v1/tokens/{id}",
            op(Needs::SignedIn, "getToken", "A token").gives::<TokenView>(),
            people::token,
        )
        .delete(
            "/v1/tokens/{id}",
            op(Needs::SignedIn, "revokeToken", "Takes a token back").if_unchanged().gives_nothing(),
            people::revoke_token,
        )
}

fn users(routes: Routes<Arc<App>>) -> Routes<Arc<App>> {
    routes
        .tag("Users")
        .get(
            "/v1/users",
            op(MANAGE, "listUsers", "The users and what they may")
                .asks::<people::UsersQuery>()
                .gives_page::<UserView>(),
            people::users,
        )
        .post(
            "/v1/users",
            op(MANAGE, "addUser", "Adds a user")
                .takes::<NewUser>()
                .once()
                .fails(&[Conflict, Invalid])
                .makes::<UserView>(),
            people::add_user,
        )
        .get("/v1/users/{name}", op(MANAGE, "getUser", "One user").gives::<UserView>(), people::user)
        .post(
            "/v1/users/{name}/provider",
            op(
                MANAGE,
                "awaitAccount",
                "Says at which provider somebody signs in as this user for the first time",
            )
            .takes::<AwaitedAccount>()
            .if_unchanged()
            .fails(&[Conflict, Invalid])
            .gives::<UserView>(),
            people::await_account,
        )
        .post(
            "/v1/users/{name}/disable",
            op(
                MANAGE,
                "disableUser",
                "Lets a user sign in no more, ends their sessions, and takes their tokens back",
            )
            .takes::<Reason>()
            .if_unchanged()
            .gives::<UserView>(),
            people::disable_user,
        )
        .post(
            "/v1/users/{name}/enable",
            op(MANAGE, "enableUser", "Lets a user sign in again")
                .takes::<Reason>()
                .if_unchanged()
                .gives::<UserView>(),
            people::enable_user,
        )
        .post(
            "/v1/users/{name}/password",
            op(MANAGE, "setPassword", "Sets a user's password, and ends their sessions")
                .takes::<ChangePassword>()
                .if_unchanged()
                .fails(&[Invalid])
                .gives_nothing(),
            people::set_password,
        )
        .post(
            "/v1/users/{name}/grants",
            op(MANAGE, "grantRole", "Grants a role on what a selector picks")
                .takes::<NewGrant>()
                .if_unchanged()
                .fails(&[Invalid])
                .gives::<UserView>(),
            people::grant,
        )
        .delete(
            "/v1/users/{name}/grants/{id}",
            op(MANAGE, "revokeRole", "Takes a granted role back").if_unchanged().gives::<UserView>(),
            people::revoke,
        )
}
