//! IP addresses and blocks, as event patterns match them.

use std::net::IpAddr;

/// A block of addresses, IPv4 or IPv6.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    first: u128,
    last: u128,
    v4: bool,
}

/// The address as a number, and whether it is IPv4.
pub(crate) fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    }
}

impl Block {
    /// Reads `ADDRESS/BITS`. Bits of the address beyond the mask do not count.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (address, mask) = text
            .split_once('/')
            .ok_or_else(|| "exactly one `/` is required, as in `10.0.0.0/24`".to_owned())?;
        let mask: u32 = mask.parse().map_err(|_| format!("`{mask}` is not a number of mask bits"))?;
        let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is not an IP address"))?;
        let (value, v4) = bits(address);
        let width = if v4 { 32 } else { 128 };
        if mask > width {
            return Err(format!("an address of this kind has at most {width} mask bits"));
        }
        let low = u128::MAX.checked_shr(128 - (width - mask)).unwrap_or(0);
        Ok(Self { first: value & !low, last: value | low, v4 })
    }

    /// What tells blocks apart: the kind of address, the bits that do not count, and the first address.
    pub(crate) fn key(&self) -> (bool, u128, u128) {
        (self.v4, self.first ^ self.last, self.first)
    }

    /// Whether the text is an address of this block.
    pub(crate) fn contains(&self, text: &str) -> bool {
        text.parse().is_ok_and(|address| {
            let (value, v4) = bits(address);
            v4 == self.v4 && (self.first..=self.last).contains(&value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Block;

    #[test]
    fn blocks_hold_their_addresses() {
        for (block, inside, outside) in [
            ("10.0.0.0/24", "10.0.0.255", "10.0.1.0"),
            ("10.0.0.9/24", "10.0.0.0", "10.0.1.0"),
            ("10.0.0.1/32", "10.0.0.1", "10.0.0.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8:1234:1a00::/64", "2001:0db8:1234:1a00:0:0:0:1", "2001:db8:1234:1a01::"),
            ("::/0", "ffff::", "1.2.3.4"),
            ("::1/128", "::1", "::2"),
        ] {
            let parsed = Block::parse(block).expect(block);
            assert!(parsed.contains(inside) && !parsed.contains(outside), "{block}");
        }
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "a/8",
            "1.1.1.1/8/8",
        ] {
            assert!(Block::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
