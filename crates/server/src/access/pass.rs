//! What a browser shows that has opened a link to the documentation of a workload: by what it was known who made the link,
//! until when it holds, and a proof of both that is good for that workload alone. What they may is not in it, but looked up
//! each time. Pure: the time is told.

use mainstay_model::Timestamp;

use super::Via;

fn proof(key: &[u8; 32], workload: &str, said: &str) -> blake3::Hash {
    // Neither a name of a workload nor what is said has a line's end in it.
    blake3::keyed_hash(key, format!("{workload}\n{said}").as_bytes())
}

/// What the browser shows until then.
pub fn write(key: &[u8; 32], workload: &str, by: &Via, until: Timestamp) -> String {
    let by = match by {
        Via::Machine => "m".to_owned(),
        Via::Session(id) => format!("s{id}"),
        Via::Token(id) => format!("t{id}"),
    };
    let said = format!("{}.{by}", until.as_millis());
    format!("{said}.{}", proof(key, workload, &said).to_hex())
}

/// Whose it is, if it is one for this workload and still holds.
pub fn read(key: &[u8; 32], workload: &str, shown: &str, now: Timestamp) -> Option<Via> {
    let (said, shown) = shown.rsplit_once('.')?;
    // Compared in a time that does not tell how much is right.
    if blake3::Hash::from_hex(shown).ok()? != proof(key, workload, said) {
        return None;
    }
    let (until, by) = said.split_once('.')?;
    if now.as_millis() >= until.parse().ok()? {
        return None;
    }
    match (by.get(..1)?, by.get(1..)?) {
        ("m", "") => Some(Via::Machine),
        ("s", id) => Some(Via::Session(id.to_owned())),
        ("t", id) => Some(Via::Token(id.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_good_for_one_workload_and_a_while() {
        let (key, at) = ([7; 32], Timestamp::from_millis);
        for by in [Via::Machine, Via::Session("01ab".to_owned()), Via::Token("02cd".to_owned())] {
            let shown = write(&key, "shop", &by, at(1000));
            assert_eq!(read(&key, "shop", &shown, at(999)), Some(by.clone()));
            assert_eq!(read(&key, "shop", &shown, at(1000)), None, "it is over");
            assert_eq!(read(&key, "other", &shown, at(0)), None, "another workload");
            assert_eq!(read(&[8; 32], "shop", &shown, at(0)), None, "another server");
            for (old, new) in
                [("1000.", "9000."), (".m.", ".tx."), (".s01ab.", ".m."), (".t02cd.", ".t02ce.")]
            {
                let forged = shown.replacen(old, new, 1);
                assert!(forged == shown || read(&key, "shop", &forged, at(0)).is_none(), "{forged}");
            }
        }
        for nonsense in ["", ".", "..", "1.m", "a.m.b", "9999.m.", "é.m.é"] {
            assert_eq!(read(&key, "shop", nonsense, at(0)), None, "{nonsense}");
        }
    }
}
