//! SHA3-224 (FIPS 202), by which Felix names groups of policies.

/// Bytes that go in before the state is mixed: 1600 bits less twice the hash's length.
const RATE: usize = 144;

/// The constants of the 24 rounds (FIPS 202, 3.2.5).
const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// How far each lane is turned, and where it goes, in the order in which rho and pi visit them (FIPS 202,
/// 3.2.2 and 3.2.3).
const TURNS: [(u32, usize); 24] = [
    (1, 10),
    (3, 7),
    (6, 11),
    (10, 17),
    (15, 18),
    (21, 3),
    (28, 5),
    (36, 16),
    (45, 8),
    (55, 21),
    (2, 24),
    (14, 4),
    (27, 15),
    (41, 23),
    (56, 19),
    (8, 13),
    (25, 12),
    (43, 2),
    (62, 20),
    (18, 14),
    (39, 22),
    (61, 9),
    (20, 6),
    (44, 1),
];

/// The hash of a message.
#[must_use]
pub fn sha3_224(message: &[u8]) -> [u8; 28] {
    let mut state = [0_u64; 25];
    let mut blocks = message.chunks_exact(RATE);
    for block in &mut blocks {
        absorb(&mut state, block);
    }
    let rest = blocks.remainder();
    let mut last = [0_u8; RATE];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x06;
    last[RATE - 1] |= 0x80;
    absorb(&mut state, &last);
    let mut hash = [0_u8; 28];
    for (bytes, lane) in hash.chunks_mut(8).zip(state) {
        bytes.copy_from_slice(&lane.to_le_bytes()[..bytes.len()]);
    }
    hash
}

fn absorb(state: &mut [u64; 25], block: &[u8]) {
    for (lane, bytes) in state.iter_mut().zip(block.chunks_exact(8)) {
        let mut word = [0_u8; 8];
        word.copy_from_slice(bytes);
        *lane ^= u64::from_le_bytes(word);
    }
    for round in ROUNDS {
        mix(state, round);
    }
}

/// One round of Keccak-f\[1600\].
fn mix(state: &mut [u64; 25], round: u64) {
    let mut columns = [0_u64; 5];
    for (place, lane) in state.iter().enumerate() {
        columns[place % 5] ^= lane;
    }
    for (place, lane) in state.iter_mut().enumerate() {
        let column = place % 5;
        *lane ^= columns[(column + 4) % 5] ^ columns[(column + 1) % 5].rotate_left(1);
    }
    let mut turned = state[1];
    for (by, to) in TURNS {
        turned = std::mem::replace(&mut state[to], turned.rotate_left(by));
    }
    for row in state.chunks_exact_mut(5) {
        let before = [row[0], row[1], row[2], row[3], row[4]];
        for (place, lane) in row.iter_mut().enumerate() {
            *lane ^= !before[(place + 1) % 5] & before[(place + 2) % 5];
        }
    }
    state[0] ^= round;
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn hexadecimal(message: &[u8]) -> String {
        let mut text = String::new();
        for byte in sha3_224(message) {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// NIST's example values, and lengths around that of a block.
    #[test]
    fn published_messages_have_their_hashes() {
        for (message, hash) in [
            (
                b"".to_vec(),
                "6b4e03423667dbb73b6e15454f0eb1abd4597f9a1b078e3f5b5a6bc7",
            ),
            (
                b"abc".to_vec(),
                "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
            ),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".to_vec(),
                "8a24108b154ada21c9fd5574494479ba5c7e7ab76ef264ead0fcce33",
            ),
            (
                vec![0xa3; 200],
                "9376816aba503f72f96ce7eb65ac095deee3be4bf9bbc2a1cb7e11e0",
            ),
        ] {
            assert_eq!(hexadecimal(&message), hash);
        }
        for (length, hash) in [
            (
                143,
                "619dd3eb29bb73be50f46f63237ebe55a35cea5c5065482f4fa7c34d",
            ),
            (
                144,
                "7ead7bb6a157afde39d216327f83e5484d59b8cf8e140b98a7551a33",
            ),
            (
                145,
                "5fdc8ae552df642c92f6e8f681f1eea301b114f764b863df0e2089b8",
            ),
        ] {
            assert_eq!(hexadecimal(&vec![7; length]), hash);
        }
    }
}
