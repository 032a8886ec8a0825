//! What the fuzz targets share with libFuzzer itself: its counters, and how it names what it finds.

use std::cell::RefCell;
use std::env::args_os;
use std::ffi::OsString;
use std::hint::black_box;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use calidiff::arm::Failure;
use calidiff::diff::ledger::Ledgers;
use calidiff::fuzz::judges::{Judged, Judges};
use calidiff::fuzz::trail::Trail;
use libfuzzer_sys::Corpus;
use sha1::{Digest as _, Sha1};

/// The repository that the targets are built in, which has the known divergences.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How many counters there are: several times as many as there are shapes of rules, clauses, and pairs of
/// them that can fall on the same one.
const COUNTERS: usize = 1 << 13;

/// libFuzzer reads the bytes of this section after every input, and keeps the input where one of them is
/// higher than ever before (its power of two, that is), as it does with the counters in the code.
// SAFETY: nobody but libFuzzer reads the section, which takes whatever is in it for counters of a byte.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
// Nothing of the program reads it, so the compiler would leave it out.
#[used]
static GUIDE: [AtomicU8; COUNTERS] = [const { AtomicU8::new(0) }; COUNTERS];

unsafe extern "C" {
    /// Where the linker says that the section of the counters begins.
    #[link_name = "__start___libfuzzer_extra_counters"]
    static GUIDE_BEGINS: AtomicU8;
}

thread_local! {
    /// Made with the first input: a kernel's judge belongs to the thread that makes it.
    static JUDGES: RefCell<Option<Judges>> = const { RefCell::new(None) };
}

/// What libFuzzer is told unless the command line says otherwise. By its entropic schedule it weighs the whole
/// corpus anew for every feature that is new, and from an empty corpus nearly all are
/// (FuzzerCorpus.h, `AddRareFeature`); for leaks it searches the whole heap, threads and all, after nearly every
/// input, because the judges keep what they allocate; where the corpus is empty it takes inputs of 4096 bytes at
/// most, which is less than most scenarios of API v3 have; and to name the functions that an input is the first to
/// reach it has another program read the whole binary's debug information.
const OPTIONS: [(&str, &str); 4] = [
    ("-entropic=", "0"),
    ("-detect_leaks=", "0"),
    ("-print_funcs=", "0"),
    ("-max_len=", "32768"),
];

/// Starts the program again with the options that its command line does not have; returns where it has all.
/// To be called first: libFuzzer has read nothing then.
///
/// # Panics
///
/// Where the program can't be started, or its counters are not where libFuzzer looks for them.
pub fn start() {
    // The compiler takes two statics for two places, which these are not.
    let begins = black_box(&raw const GUIDE_BEGINS);
    assert_eq!(begins, GUIDE.as_ptr(), "libFuzzer's counters");
    let given: Vec<OsString> = args_os().collect();
    let has = |name: &str| {
        let mut given = given.iter().map(|one| one.as_encoded_bytes());
        given.any(|one| one.starts_with(name.as_bytes()))
    };
    let missing = OPTIONS.iter().filter(|(name, _)| !has(name));
    let mut missing = missing.map(|(name, value)| format!("{name}{value}")).peekable();
    if missing.peek().is_some() {
        let mut again = Command::new("/proc/self/exe");
        let why = again.args(&given[1..]).args(missing).exec();
        panic!("the fuzz target does not start again: {why}");
    }
}

/// Puts an input of a target before the judges that `make` makes.
///
/// # Panics
///
/// Where they find something: with what that is, and the command that shows it again.
pub fn judge(
    target: &str,
    arms: &str,
    make: fn(Ledgers) -> Result<Judges, Failure>,
    input: &[u8],
) -> Corpus {
    JUDGES.with_borrow_mut(|judges| {
        let judges = judges.get_or_insert_with(|| {
            let ledgers = Ledgers::read(Path::new(REPOSITORY)).expect("the ledgers are read");
            make(ledgers).expect("the judges are here")
        });
        match judges.judge(input) {
            Ok(Judged::Agreed(trail)) => follow(&trail),
            Ok(Judged::NoInput(_)) => Corpus::Reject,
            Err(finding) => panic!("{finding}\n{}", again(target, arms, input)),
        }
    })
}

/// Tells libFuzzer what an input reached.
fn follow(trail: &Trail) -> Corpus {
    let count = u64::try_from(COUNTERS).expect("a few thousand");
    for number in trail.iter() {
        let place = usize::try_from(number % count).expect("one of them");
        GUIDE[place].store(1, Ordering::Relaxed);
    }
    Corpus::Keep
}

/// The command that replays an input, by the name that libFuzzer gives its file: its SHA-1.
fn again(target: &str, arms: &str, input: &[u8]) -> String {
    let digest = Sha1::digest(input);
    let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("Again: calidiff replay{arms} fuzz/artifacts/{target}/crash-{name}")
}
