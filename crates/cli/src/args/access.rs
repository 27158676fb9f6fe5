//! People and what they may: `users`, `tokens`, `login`, `login-link`; and which alarms they silence: `silences`.

use std::time::Duration;

use clap::{Args, Subcommand};
use mainstay_model::parse_duration;

/// `users`
#[derive(Debug, Args)]
pub struct Users {
    /// What to do; `list` by default.
    #[command(subcommand)]
    pub verb: Option<UsersVerb>,
}

/// `users …`
#[derive(Debug, Subcommand)]
pub enum UsersVerb {
    /// List the users with what they may
    List,
    /// Add a user; the password is asked for, or read from standard input
    Add {
        /// The name: lower case letters, digits, `.`, `_`, `-` and `@`
        name: String,
        /// The name that people read
        #[arg(long, value_name = "TEXT")]
        title: Option<String>,
        /// Add them without a password: they come in by a link of `login-link --user`
        #[arg(long)]
        no_password: bool,
        /// The provider of `sign-in.json` that signs them in: whoever has this name there is this user
        #[arg(long, value_name = "PROVIDER", conflicts_with = "no_password")]
        provider: Option<String>,
        /// A role, and on what with `@`: `viewer` or `operator@env=prod`; may be repeated
        #[arg(long = "grant", value_name = "ROLE[@SELECTOR]")]
        grants: Vec<String>,
    },
    /// Let a user sign in no more; their sessions end and their tokens hold no more
    Disable {
        /// The user
        name: String,
        /// Why; part of the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let a user sign in again
    Enable {
        /// The user
        name: String,
        /// Why; part of the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Grant a role on what a selector picks
    Grant(Granted),
    /// Take a granted role back
    Revoke(Granted),
    /// Set a user's password: it is asked for, or read from standard input
    Password {
        /// The user
        name: String,
        /// Take their tokens back, too
        #[arg(long)]
        revoke_tokens: bool,
    },
    /// Say at which provider somebody of this name signs in as this user for the first time
    Provider {
        /// The user, who has no password and has not signed in at a provider yet
        name: String,
        /// The provider's name in `sign-in.json`; at none if not said
        provider: Option<String>,
    },
}

/// A role of a user.
#[derive(Debug, Args)]
pub struct Granted {
    /// The user
    pub name: String,
    /// viewer, responder, operator, approver or admin
    pub role: String,
    /// On what: a selector over tags, such as `env=prod` or `workload=shop`
    #[arg(long, default_value = "*", value_name = "SELECTOR")]
    pub on: String,
}

/// `silences`
#[derive(Debug, Args)]
pub struct Silences {
    /// What to do; `list` by default.
    #[command(subcommand)]
    pub verb: Option<SilencesVerb>,
}

/// `silences …`
#[derive(Debug, Subcommand)]
pub enum SilencesVerb {
    /// List the silences
    List {
        /// Those that are over, too
        #[arg(long)]
        all: bool,
    },
    /// Silence alarms: they neither open incidents nor join them
    Create {
        /// Conditions on their labels: `alertname=Slow`, `job=~shop/.*`, `zone!=a`; all have to hold
        #[arg(required = true, value_name = "CONDITION")]
        matchers: Vec<String>,
        /// For how long
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        lasts: Duration,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Those of this workload
        #[arg(long, value_name = "NAME")]
        workload: Option<String>,
    },
    /// End a silence now
    Expire {
        /// Its id
        id: String,
    },
}

/// `tokens`
#[derive(Debug, Args)]
pub struct Tokens {
    /// What to do; `list` by default.
    #[command(subcommand)]
    pub verb: Option<TokensVerb>,
}

/// `tokens …`
#[derive(Debug, Subcommand)]
pub enum TokensVerb {
    /// List the tokens that hold
    List {
        /// Those of everybody
        #[arg(long)]
        all: bool,
    },
    /// Make a token; its secret is printed this once
    Create {
        /// What it is for
        name: String,
        /// A role, and on what with `@`: `viewer` or `operator@env=prod`; may be repeated
        #[arg(long = "grant", required = true, value_name = "ROLE[@SELECTOR]")]
        grants: Vec<String>,
        /// How long it holds
        #[arg(long, default_value = "90d", value_name = "DURATION", value_parser = parse_duration)]
        lasts: Duration,
    },
    /// Take a token back
    Revoke {
        /// Its id
        id: String,
    },
}

/// `login`
#[derive(Debug, Args)]
pub struct Login {
    /// The server (http://127.0.0.1:7600)
    #[arg(value_name = "URL")]
    pub url: String,
    /// The user; the password is asked for, or read from standard input
    #[arg(long, value_name = "NAME", required_unless_present = "token")]
    pub user: Option<String>,
    /// Keep a token that was made elsewhere; it is read from standard input
    #[arg(long, conflicts_with = "user")]
    pub token: bool,
    /// How long the token holds
    #[arg(long, default_value = "30d", value_name = "DURATION", value_parser = parse_duration)]
    pub lasts: Duration,
}

/// `login-link`
#[derive(Debug, Args)]
pub struct LoginLink {
    /// For this user; whoever has the data directory if not said
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}
