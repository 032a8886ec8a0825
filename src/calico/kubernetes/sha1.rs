//! SHA-1 (RFC 3174), which names the interfaces of pods. Nothing is kept safe by it.

/// What the five words begin as (RFC 3174, 6.1).
const START: [u32; 5] = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

/// The digest of a text, in small hexadecimal digits.
pub(super) fn hexadecimal(text: &str) -> String {
    let words = padded(text.as_bytes()).chunks_exact(64).fold(START, mixed);
    words.iter().map(|word| format!("{word:08x}")).collect()
}

/// Up to a whole number of blocks: a bit that is set, zeroes, and the length in bits (RFC 3174, 4).
fn padded(message: &[u8]) -> Vec<u8> {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    let bits = 8 * message.len() as u64;
    padded.extend(bits.to_be_bytes());
    padded
}

/// The words after one block (RFC 3174, 6.1).
fn mixed(state: [u32; 5], block: &[u8]) -> [u32; 5] {
    let mut schedule = [0_u32; 80];
    for (word, bytes) in schedule.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    for at in 16..schedule.len() {
        let word = schedule[at - 3] ^ schedule[at - 8] ^ schedule[at - 14] ^ schedule[at - 16];
        schedule[at] = word.rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = state;
    for (at, word) in schedule.iter().enumerate() {
        let (choice, constant) = match at {
            0..20 => ((b & c) | (!b & d), 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6_u32),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(choice)
            .wrapping_add(e)
            .wrapping_add(*word)
            .wrapping_add(constant);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    let words = [a, b, c, d, e];
    std::array::from_fn(|at| state[at].wrapping_add(words[at]))
}

#[cfg(test)]
mod tests {
    use super::hexadecimal;

    /// The vectors of RFC 3174, 7.3, and lengths about the end of a block.
    #[test]
    fn the_digests_are_those_of_the_standard() {
        for (text, digest) in [
            ("abc".to_owned(), "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".to_owned(),
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (
                "a".repeat(1_000_000),
                "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
            ),
            (String::new(), "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("x".repeat(55), "cef734ba81a024479e09eb5a75b6ddae62e6abf1"),
            ("x".repeat(56), "901305367c259952f4e7af8323f480d59f81335b"),
            ("x".repeat(63), "0ddc4e0cccd9a12850deb5abb0853a4425559fec"),
            ("x".repeat(64), "bb2fa3ee7afb9f54c6dfb5d021f14b1ffe40c163"),
        ] {
            assert_eq!(hexadecimal(&text), digest, "{} bytes", text.len());
        }
    }
}
