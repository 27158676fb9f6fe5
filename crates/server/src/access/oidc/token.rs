//! ID tokens: whether one is signed by its provider and says what it has to say (OpenID Connect Core 1.0, 3.1.3.7). Pure:
//! keys and time are told.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mainstay_model::Timestamp;
use ring::signature::{
    self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::Value;

/// How far the clocks of both sides may be apart.
pub const SKEW: Duration = Duration::from_secs(60);

/// The largest token that is read, in bytes.
const MAX_TOKEN: usize = 64 << 10;

/// The longest subject (OpenID Connect Core, 2).
const MAX_SUBJECT: usize = 255;

/// Why a token is not one to go by. Nothing of the token is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("it cannot be read")]
    NotAToken,
    /// It is signed in a way that is not accepted; `none` is one.
    #[error("it is signed by an algorithm that is not accepted")]
    Algorithm,
    /// The provider has no such key.
    #[error("it is signed with a key that the provider does not publish")]
    UnknownKey,
    /// The signature is not that of the key.
    #[error("its signature is wrong")]
    Signature,
    /// It is another provider's.
    #[error("its issuer is another one")]
    Issuer,
    /// It is for somebody else.
    #[error("it is not for this server")]
    Audience,
    /// It was issued for another sign-in.
    #[error("it belongs to another sign-in")]
    Nonce,
    /// It holds no longer.
    #[error("it has expired")]
    Expired,
    /// It does not hold yet.
    #[error("it is from the future: the clocks of both machines differ")]
    NotYet,
    /// Something is missing.
    #[error("it says no `{0}`")]
    Missing(&'static str),
}

enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    material: Material,
}

/// The keys that a provider publishes. Those of kinds that are not known are left out.
#[derive(Default)]
pub struct Keys(Vec<Key>);

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

impl Key {
    fn parse(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str();
        let bytes = |name: &str| decode(text(name)?);
        if text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        // An uncompressed point, each half of which has its whole length.
        let point = |size: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            (x.len() == size && y.len() == size).then(|| [&[4][..], &x, &y].concat())
        };
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => Material::Rsa { n: bytes("n")?, e: bytes("e")? },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x")?),
            _ => return None,
        };
        let owned = |name| text(name).map(str::to_owned);
        Some(Self { id: owned("kid"), algorithm: owned("alg"), material })
    }

    /// Whether the signature is this key's; nothing if the key is not one for the algorithm.
    fn verify(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> Option<bool> {
        if self.algorithm.as_ref().is_some_and(|own| own != algorithm) {
            return None;
        }
        let rsa = |parameters: &'static RsaParameters, n: &[u8], e: &[u8]| {
            RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
        };
        let other = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
        };
        Some(match (algorithm, &self.material) {
            ("RS256", Material::Rsa { n, e }) => rsa(&signature::RSA_PKCS1_2048_8192_SHA256, n, e),
            ("RS384", Material::Rsa { n, e }) => rsa(&signature::RSA_PKCS1_2048_8192_SHA384, n, e),
            ("RS512", Material::Rsa { n, e }) => rsa(&signature::RSA_PKCS1_2048_8192_SHA512, n, e),
            ("PS256", Material::Rsa { n, e }) => rsa(&signature::RSA_PSS_2048_8192_SHA256, n, e),
            ("ES256", Material::P256(point)) => other(&signature::ECDSA_P256_SHA256_FIXED, point),
            ("ES384", Material::P384(point)) => other(&signature::ECDSA_P384_SHA384_FIXED, point),
            ("EdDSA", Material::Ed25519(key)) => other(&signature::ED25519, key),
            _ => return None,
        })
    }
}

impl Keys {
    /// From a JWK set (RFC 7517).
    pub fn parse(set: &Value) -> Self {
        Self(set["keys"].as_array().into_iter().flatten().filter_map(Key::parse).collect())
    }

    fn verify(
        &self,
        id: Option<&str>,
        algorithm: &str,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        const ACCEPTED: [&str; 7] = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"];
        // Neither `none` nor what is signed with a secret that both sides have: that is no proof of who signed.
        if !ACCEPTED.contains(&algorithm) {
            return Err(TokenError::Algorithm);
        }
        let meant = self.0.iter().filter(|key| id.is_none() || key.id.is_none() || key.id.as_deref() == id);
        let mut verdicts = meant.filter_map(|key| key.verify(algorithm, signed, signature)).peekable();
        if verdicts.peek().is_none() {
            return Err(TokenError::UnknownKey);
        }
        if verdicts.any(|is_right| is_right) { Ok(()) } else { Err(TokenError::Signature) }
    }
}

/// What a token has to say.
pub struct Expected<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// As whom the provider knows this server.
    pub client_id: &'a str,
    /// What this sign-in was begun with.
    pub nonce: &'a str,
    /// The time.
    pub now: Timestamp,
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&decode(text)?).ok()
}

/// The claims of a token that is signed by its provider and says what it has to.
pub fn verify(token: &str, keys: &Keys, expected: &Expected<'_>) -> Result<Value, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::NotAToken);
    }
    let mut parts = token.split('.');
    let (Some(head), Some(body), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::NotAToken);
    };
    let header = part(head).ok_or(TokenError::NotAToken)?;
    let signature = decode(signature).ok_or(TokenError::NotAToken)?;
    // What a token says that has to be understood, and is not.
    if !header["crit"].is_null() {
        return Err(TokenError::NotAToken);
    }
    let algorithm = header["alg"].as_str().ok_or(TokenError::Algorithm)?;
    let signed = &token.as_bytes()[..head.len() + 1 + body.len()];
    keys.verify(header["kid"].as_str(), algorithm, signed, &signature)?;
    let claims = part(body).ok_or(TokenError::NotAToken)?;
    check(&claims, expected)?;
    Ok(claims)
}

fn check(claims: &Value, expected: &Expected<'_>) -> Result<(), TokenError> {
    let text = |name: &str| claims[name].as_str();
    if text("iss") != Some(expected.issuer) {
        return Err(TokenError::Issuer);
    }
    let audience: Vec<&str> = match &claims["aud"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let party = text("azp");
    if !audience.contains(&expected.client_id)
        || audience.len() > 1 && party.is_none()
        || party.is_some_and(|party| party != expected.client_id)
    {
        return Err(TokenError::Audience);
    }
    // Seconds, which may have a fraction.
    #[expect(clippy::cast_possible_truncation, reason = "a float is cut to what fits")]
    let time =
        |name: &str| claims[name].as_f64().map(|seconds| Timestamp::from_millis((seconds * 1000.0) as i64));
    let until = time("exp").ok_or(TokenError::Missing("exp"))?;
    if expected.now >= until.plus(SKEW) {
        return Err(TokenError::Expired);
    }
    let issued = time("iat").ok_or(TokenError::Missing("iat"))?;
    if issued.max(time("nbf").unwrap_or(issued)) > expected.now.plus(SKEW) {
        return Err(TokenError::NotYet);
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(TokenError::Nonce);
    }
    match text("sub") {
        Some(subject) if !subject.is_empty() && subject.len() <= MAX_SUBJECT => Ok(()),
        _ => Err(TokenError::Missing("sub")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    /// A key of a provider, for tests.
    pub struct Signer {
        key: EcdsaKeyPair,
        id: String,
    }

    impl Signer {
        pub fn new(id: &str) -> Self {
            let random = SystemRandom::new();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
            let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key");
            Self { key, id: id.to_owned() }
        }

        pub fn jwk(&self) -> Value {
            let point = self.key.public_key().as_ref();
            let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
            json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id, "x": x, "y": y })
        }

        pub fn token(&self, header: &Value, claims: &Value) -> String {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(header), part(claims));
            let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
        }

        pub fn sign(&self, claims: &Value) -> String {
            self.token(&json!({ "alg": "ES256", "kid": self.id }), claims)
        }
    }

    fn claims() -> Value {
        json!({
            "iss": "https://login.example.org", "aud": "mainstay", "sub": "u1", "nonce": "n", "iat": 1000, "exp": 1300,
        })
    }

    fn expected(seconds: i64) -> Expected<'static> {
        Expected {
            issuer: "https://login.example.org",
            client_id: "mainstay",
            nonce: "n",
            now: Timestamp::from_millis(seconds * 1000),
        }
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        match value {
            Value::Null => drop(claims.as_object_mut().expect("a mapping").remove(name)),
            value => claims[name] = value,
        }
        claims
    }

    #[test]
    fn a_token_that_says_what_it_has_to_is_believed() {
        let signer = Signer::new("k1");
        let keys = Keys::parse(&json!({ "keys": [{ "kty": "oct", "k": "AAAA" }, signer.jwk()] }));
        let is = |claims: &Value, at: i64| verify(&signer.sign(claims), &keys, &expected(at)).map(drop);
        assert_eq!(is(&claims(), 1100), Ok(()));
        assert_eq!(is(&with("aud", json!(["mainstay"])), 1100), Ok(()));
        let two = with("aud", json!(["mainstay", "other"]));
        assert_eq!(is(&two, 1100), Err(TokenError::Audience), "it does not say whose of both it is");
        let mut mine = two;
        mine["azp"] = json!("mainstay");
        assert_eq!(is(&mine, 1100), Ok(()));
    }

    #[test]
    fn clocks_may_differ_by_a_minute() {
        let signer = Signer::new("k1");
        let keys = Keys::parse(&json!({ "keys": [signer.jwk()] }));
        let at = |seconds| verify(&signer.sign(&claims()), &keys, &expected(seconds)).map(drop);
        assert_eq!((at(1359), at(1360)), (Ok(()), Err(TokenError::Expired)));
        assert_eq!((at(940), at(939)), (Ok(()), Err(TokenError::NotYet)));
    }

    #[test]
    fn what_is_wrong_is_refused_and_named() {
        let signer = Signer::new("k1");
        let keys = Keys::parse(&json!({ "keys": [signer.jwk()] }));
        for (name, value, wrong) in [
            ("iss", json!("https://evil.example"), TokenError::Issuer),
            ("iss", json!("https://login.example.org/"), TokenError::Issuer),
            ("aud", json!("other"), TokenError::Audience),
            ("aud", Value::Null, TokenError::Audience),
            ("azp", json!("other"), TokenError::Audience),
            ("nonce", json!("m"), TokenError::Nonce),
            ("nonce", Value::Null, TokenError::Nonce),
            ("exp", Value::Null, TokenError::Missing("exp")),
            ("exp", json!("1300"), TokenError::Missing("exp")),
            ("iat", Value::Null, TokenError::Missing("iat")),
            ("nbf", json!(5000), TokenError::NotYet),
            ("sub", json!(""), TokenError::Missing("sub")),
            ("sub", json!("x".repeat(256)), TokenError::Missing("sub")),
        ] {
            let token = signer.sign(&with(name, value.clone()));
            assert_eq!(verify(&token, &keys, &expected(1100)), Err(wrong), "{name} {value}");
        }
    }

    #[test]
    fn only_keys_of_the_provider_sign() {
        let (signer, other) = (Signer::new("k1"), Signer::new("k2"));
        let keys = Keys::parse(&json!({ "keys": [signer.jwk()] }));
        let is = |token: &str| verify(token, &keys, &expected(1100)).map(drop);
        assert_eq!(is(&other.sign(&claims())), Err(TokenError::UnknownKey));
        let forged = other.token(&json!({ "alg": "ES256", "kid": "k1" }), &claims());
        assert_eq!(is(&forged), Err(TokenError::Signature));
        // Without the key's name any key of the provider may be the one.
        assert_eq!(is(&signer.token(&json!({ "alg": "ES256" }), &claims())), Ok(()));
        assert_eq!(is(&other.token(&json!({ "alg": "ES256" }), &claims())), Err(TokenError::Signature));
        for (algorithm, wrong) in [
            ("none", TokenError::Algorithm),
            ("HS256", TokenError::Algorithm),
            ("RS256", TokenError::UnknownKey),
        ] {
            let token = signer.token(&json!({ "alg": algorithm, "kid": "k1" }), &claims());
            assert_eq!(is(&token), Err(wrong), "{algorithm}");
        }
        let right = signer.sign(&claims());
        let unsigned = format!("{}.", right.rsplit_once('.').expect("parts").0);
        assert_eq!(is(&unsigned), Err(TokenError::Signature));
        let critical = signer.token(&json!({ "alg": "ES256", "kid": "k1", "crit": ["x"] }), &claims());
        for broken in ["", "a", "a.b", "a.b.c", "a.b.c.d", critical.as_str(), &"x".repeat(MAX_TOKEN + 1)] {
            assert_eq!(is(broken), Err(TokenError::NotAToken));
        }
        // A body that was changed afterwards.
        let parts: Vec<&str> = right.split('.').collect();
        let body = URL_SAFE_NO_PAD.encode(with("sub", json!("u2")).to_string());
        assert_eq!(is(&format!("{}.{body}.{}", parts[0], parts[2])), Err(TokenError::Signature));
    }
}
