//! `cargo xtask pictures`: the example's documentation as a browser shows it, at the width of a screen and of a phone, light
//! and dark. Says which page is wider than its window or asked for something that is not there, and keeps the pictures
//! that `docs/` shows.
//!
//! Chromium is spoken to through a pipe (`--remote-debugging-pipe`: JSON texts, each with a zero byte after it), so that
//! nothing listens and no WebSocket is needed.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

const WIDTHS: [u32; 2] = [1440, 390];
const HEIGHT: u32 = 900;
const SCHEMES: [&str; 2] = ["light", "dark"];

/// The pictures that `docs/` shows: page, width, colours, and as much of it as is shown.
const KEPT: [(&str, u32, &str, u32); 2] =
    [("index.html", 1440, "light", 1_000), ("components/checkout.html", 390, "dark", 844)];

/// The most of a page that is taken.
const LONGEST: u32 = 12_000;

type Outcome<T = ()> = Result<T, String>;

/// A Chromium of our own, with one page.
struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    next: u64,
    session: Option<String>,
    /// What the page asked for and did not get.
    missed: Vec<String>,
}

impl Browser {
    /// Starts `chromium` with a profile of its own.
    fn start(profile: &Path) -> Outcome<Self> {
        // Chromium reads its third file descriptor and writes to its fourth.
        let line = "exec chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run \
                    --remote-debugging-pipe --user-data-dir=\"$0\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", line])
            .arg(profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("chromium cannot be started: {error}"))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("chromium has no pipes".to_owned());
        };
        let from = BufReader::new(from);
        let mut browser = Self { child, to, from, next: 0, session: None, missed: Vec::new() };
        let target =
            browser.call("Target.createTarget", &json!({ "url": "about:blank" }))?["targetId"].clone();
        let attached =
            browser.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }))?;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser.call("Page.enable", &json!({}))?;
        browser.call("Network.enable", &json!({}))?;
        Ok(browser)
    }

    /// The next text of Chromium.
    fn read(&mut self) -> Outcome<Value> {
        let mut text = Vec::new();
        self.from.read_until(0, &mut text).map_err(|error| format!("chromium cannot be read: {error}"))?;
        if text.pop() != Some(0) {
            return Err("chromium has ended; is it installed, and may it run here?".to_owned());
        }
        let value: Value =
            serde_json::from_slice(&text).map_err(|error| format!("chromium says no JSON: {error}"))?;
        if value["method"] == "Network.loadingFailed" {
            self.missed.push(value["params"]["errorText"].as_str().unwrap_or_default().to_owned());
        }
        Ok(value)
    }

    /// Calls a method and waits for its answer.
    fn call(&mut self, method: &str, params: &Value) -> Outcome<Value> {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let sent = write!(self.to, "{message}\0").and_then(|()| self.to.flush());
        sent.map_err(|error| format!("chromium cannot be told `{method}`: {error}"))?;
        loop {
            let mut answer = self.read()?;
            if answer["id"] == self.next {
                return match answer["error"]["message"].as_str() {
                    Some(why) => Err(format!("chromium refuses `{method}`: {why}")),
                    None => Ok(answer["result"].take()),
                };
            }
        }
    }

    /// Opens a page and waits until it has loaded.
    fn open(&mut self, page: &Path) -> Outcome {
        self.missed.clear();
        let url = format!("file://{}", page.display());
        if let Some(why) = self.call("Page.navigate", &json!({ "url": url }))?["errorText"].as_str() {
            return Err(format!("{url} cannot be opened: {why}"));
        }
        while self.read()?["method"] != "Page.loadEventFired" {}
        Ok(())
    }

    fn number(&mut self, expression: &str) -> Outcome<u32> {
        let asked = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &asked)?;
        let number = answer["result"]["value"].as_f64().map(f64::ceil);
        number.map(|number| number as u32).ok_or_else(|| format!("`{expression}` is no number: {answer}"))
    }

    /// A picture of the page's upper part, as PNG.
    fn picture(&mut self, width: u32, height: u32) -> Outcome<Vec<u8>> {
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let asked = json!({ "format": "png", "clip": clip, "captureBeyondViewport": true });
        let answer = self.call("Page.captureScreenshot", &asked)?;
        bytes(answer["data"].as_str().unwrap_or_default())
            .ok_or_else(|| "the picture is no base64".to_owned())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bytes of a base64 text.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(value)) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits & 0xff) as u8);
        }
    }
    Some(out)
}

/// Every page of a built site.
fn pages(site: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![site.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "html") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn write(path: &Path, bytes: &[u8]) -> Outcome {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Takes the pictures of a built site into `out`, and those that are kept into `kept` if there is such a place.
pub fn take(site: &Path, out: &Path, kept: Option<&Path>) -> Outcome {
    let mut browser = Browser::start(&out.join("profile"))?;
    let mut problems = Vec::new();
    for page in pages(site)? {
        let name = page.strip_prefix(site).unwrap_or(&page).display().to_string();
        for width in WIDTHS {
            let phone = width < 600;
            let metrics =
                json!({ "width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": phone });
            browser.call("Emulation.setDeviceMetricsOverride", &metrics)?;
            for scheme in SCHEMES {
                let feature = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
                browser.call("Emulation.setEmulatedMedia", &json!({ "features": feature }))?;
                browser.open(&page)?;
                problems.extend(browser.missed.iter().map(|what| format!("{name} misses something: {what}")));
                let wide = browser.number("document.documentElement.scrollWidth")?;
                if wide > width {
                    problems.push(format!("{name} is {wide} wide in a window of {width} ({scheme})"));
                }
                let tall = browser.number("document.documentElement.scrollHeight")?.min(LONGEST);
                let file =
                    format!("{}-{width}-{scheme}.png", name.trim_end_matches(".html").replace('/', "-"));
                write(&out.join(&file), &browser.picture(width, tall)?)?;
                println!("{}", out.join(&file).display());
                for (_, _, _, shown) in
                    KEPT.iter().filter(|one| (one.0, one.1, one.2) == (&name, width, scheme))
                {
                    if let Some(kept) = kept {
                        let file = format!("documentation-{file}");
                        write(&kept.join(&file), &browser.picture(width, tall.min(*shown))?)?;
                        println!("{}", kept.join(&file).display());
                    }
                }
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn base64_becomes_bytes() {
        for (text, expected) in
            [("", ""), ("bQ==", "m"), ("bWE=", "ma"), ("bWFpbg==", "main"), ("bWFpbnN0", "mainst")]
        {
            assert_eq!(bytes(text).as_deref(), Some(expected.as_bytes()), "{text}");
        }
        assert_eq!(bytes("+/+/").as_deref(), Some(&[0xfb, 0xff, 0xbf][..]));
        assert_eq!(bytes("a b"), None);
    }
}
