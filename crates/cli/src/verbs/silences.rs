//! `mainstay silences …`.

use std::time::Duration;

use mainstay_api::client::Client;
use mainstay_api::v1::{LabelMatcher, NewSilence, SilenceView};

use crate::args::SilencesVerb;
use crate::exit::{Exit, Failure};
use crate::screen::{Field, Screen, Style, shorten, table};
use crate::time::{now, stamp};

/// Lists, makes or ends silences.
pub async fn run(screen: Screen, client: &Client, verb: Option<&SilencesVerb>) -> Result<(), Failure> {
    let one = |view: SilenceView| screen.show(&view, |view| render(std::slice::from_ref(view), screen.style));
    match verb {
        None => list(screen, client, false).await,
        Some(SilencesVerb::List { all }) => list(screen, client, *all).await,
        Some(SilencesVerb::Create { matchers, lasts, reason, workload }) => {
            let matchers = matchers.iter().map(|text| matcher(text)).collect::<Result<Vec<_>, Failure>>()?;
            one(client.create_silence(&silence(matchers, *lasts, reason, workload.clone())).await?)
        }
        Some(SilencesVerb::Expire { id }) => one(client.expire_silence(id).await?),
    }
}

fn silence(
    matchers: Vec<LabelMatcher>,
    lasts: Duration,
    reason: &str,
    workload: Option<String>,
) -> NewSilence {
    NewSilence {
        workload,
        matchers,
        starts_at: None,
        ends_at: now().plus(lasts),
        reason: reason.to_owned(),
        client_token: None,
    }
}

/// `job=~shop/.*`: as Prometheus and amtool write it.
fn matcher(text: &str) -> Result<LabelMatcher, Failure> {
    let bad = || {
        Failure::new(Exit::Usage, format!("`{text}` is no condition"))
            .hint("write NAME=VALUE, NAME!=VALUE, NAME=~PATTERN or NAME!~PATTERN")
    };
    let at = text.find(['=', '!']).filter(|at| *at > 0).ok_or_else(bad)?;
    let (name, rest) = text.split_at(at);
    let (is_equal, is_regex, value) = match rest.as_bytes() {
        [b'=', b'~', ..] => (true, true, &rest[2..]),
        [b'!', b'~', ..] => (false, true, &rest[2..]),
        [b'!', b'=', ..] => (false, false, &rest[2..]),
        [b'=', ..] => (true, false, &rest[1..]),
        _ => return Err(bad()),
    };
    Ok(LabelMatcher { name: name.to_owned(), value: value.trim_matches('"').to_owned(), is_regex, is_equal })
}

fn words(one: &LabelMatcher) -> String {
    let op = match (one.is_equal, one.is_regex) {
        (true, false) => "=",
        (false, false) => "!=",
        (true, true) => "=~",
        (false, true) => "!~",
    };
    format!("{}{op}{}", one.name, one.value)
}

async fn list(screen: Screen, client: &Client, all: bool) -> Result<(), Failure> {
    let page = client.silences(all).await?;
    screen.show(&page, |page| render(&page.items, screen.style))
}

fn render(silences: &[SilenceView], style: Style) -> String {
    if silences.is_empty() {
        return "No silence.\n".to_owned();
    }
    let rows = silences.iter().map(|silence| {
        let conditions: Vec<String> = silence.matchers.iter().map(words).collect();
        vec![
            silence.id.clone().into(),
            Field::State(silence.state.clone()),
            stamp(silence.ends_at).into(),
            silence.workload.clone().unwrap_or_else(|| "all".to_owned()).into(),
            shorten(&conditions.join(", "), 80).into(),
            silence.by.clone().into(),
            shorten(&silence.reason, 60).into(),
        ]
    });
    table(style, &["SILENCE", "STATE", "UNTIL", "WORKLOAD", "ALARMS WITH", "BY", "WHY"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_prometheus_writes_them() {
        for text in ["alertname=Slow", "job=~shop/.*", "zone!=a", "zone!~a|b"] {
            assert_eq!(words(&matcher(text).expect(text)), text);
        }
        assert_eq!(matcher("job=\"a=b\"").expect("quoted").value, "a=b");
        for text in ["", "=a", "job", "job!", "job~x"] {
            assert_eq!(matcher(text).expect_err(text).exit, Exit::Usage);
        }
    }
}
