//! The one source of every choice: bits from a seed, or bits that someone gives, such as a fuzzer.

/// A source of bits; whoever has the same bits makes the same choices.
pub trait Bits {
    /// The next 64 bits.
    fn next(&mut self) -> u64;

    /// A number below `bound`; 0 where `bound` is 0.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        let number = self.next().checked_rem(bound).unwrap_or(0);
        usize::try_from(number).unwrap_or(0)
    }

    /// Whether something happens that does so `times` of `of` times.
    fn chance(&mut self, times: usize, of: usize) -> bool {
        self.below(of) < times
    }

    /// One of a list; `None` of none.
    fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let place = self.below(list.len());
        list.get(place)
    }

    /// One of a few, of which there is at least one.
    fn one<T: Copy, const COUNT: usize>(&mut self, of: [T; COUNT]) -> T {
        const { assert!(COUNT > 0, "there must be one to choose") };
        of[self.below(COUNT)]
    }

    /// One of a list by weights: the number beside each says how often it comes.
    fn weighted<T: Copy>(&mut self, list: &[(usize, T)]) -> Option<T> {
        let total = list.iter().map(|(weight, _)| weight).sum();
        let mut place = self.below(total);
        for (weight, one) in list {
            match place.checked_sub(*weight) {
                Some(rest) => place = rest,
                None => return Some(*one),
            }
        }
        None
    }
}

impl<B: Bits> Bits for &mut B {
    fn next(&mut self) -> u64 {
        (**self).next()
    }

    fn below(&mut self, bound: usize) -> usize {
        (**self).below(bound)
    }
}

/// The bytes of whoever makes arbitrary values of several types, such as a fuzzer; zeros when they
/// are used up.
impl Bits for arbitrary::Unstructured<'_> {
    fn next(&mut self) -> u64 {
        self.arbitrary().unwrap_or(0)
    }

    fn below(&mut self, bound: usize) -> usize {
        let last = bound.saturating_sub(1);
        // As few bytes as the bound needs.
        self.int_in_range(0..=last).unwrap_or(0)
    }
}

/// Bits from a seed, by SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014): every seed is a good one, and a stream is its seed.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Bits for Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

/// Bits that someone gives; zeros when they are used up.
#[derive(Clone, Debug)]
pub struct Given<'a>(&'a [u8]);

impl<'a> Given<'a> {
    /// These bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all were used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Bits for Given<'_> {
    fn next(&mut self) -> u64 {
        let (now, rest) = self.0.split_at(self.0.len().min(8));
        self.0 = rest;
        now.iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn below(&mut self, bound: usize) -> usize {
        // As few bytes as the bound needs, so that a fuzzer's bytes go a long way.
        let needed = (usize::BITS - bound.saturating_sub(1).leading_zeros()).div_ceil(8);
        let needed = usize::try_from(needed).unwrap_or(8).min(self.0.len());
        let (now, rest) = self.0.split_at(needed);
        self.0 = rest;
        let number = now
            .iter()
            .rev()
            .fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        number.checked_rem(bound).unwrap_or(0)
    }
}

/// Bits that someone gives, and a stream of their own behind them: of few bytes, too, comes all that is
/// asked for. The first eight say which stream it is, so a change of a later byte changes the choices that
/// it stands for, and those alone.
#[derive(Clone, Debug)]
pub struct Begun<'a> {
    given: Given<'a>,
    behind: Seeded,
}

impl<'a> Begun<'a> {
    /// These bytes, and what is behind them.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut given = Given::new(bytes);
        let behind = Seeded::new(given.next());
        Self { given, behind }
    }
}

impl Bits for Begun<'_> {
    fn next(&mut self) -> u64 {
        match self.given.is_empty() {
            false => self.given.next(),
            true => self.behind.next(),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        match self.given.is_empty() {
            false => self.given.below(bound),
            true => self.behind.below(bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_is_the_published_one() {
        // The first outputs of the reference implementation (https://prng.di.unimi.it/splitmix64.c)
        // for the seed 1234567.
        let mut bits = Seeded::new(1_234_567);
        assert_eq!(bits.next(), 6_457_827_717_110_365_317);
        assert_eq!(bits.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn weights_are_kept() {
        let mut bits = Seeded::new(1);
        let draws =
            (0..1000).filter(|_| bits.weighted(&[(1, 'a'), (0, 'b'), (3, 'c')]) == Some('a'));
        let often = draws.count();
        assert!((200..300).contains(&often), "{often}");
    }

    #[test]
    fn given_bytes_are_used_sparingly_and_end_in_zeros() {
        let mut bits = Given::new(&[7, 2, 1]);
        assert_eq!(bits.below(5), 2);
        assert_eq!(bits.below(1000), 258);
        assert!(bits.is_empty());
        assert_eq!(bits.next(), 0);
    }
}
