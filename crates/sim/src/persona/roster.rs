//! Who there is.

use super::{
    avaya, busy, declines, failing, forks, genesys, hangs_up, holds, invoca, no_answer, picky,
    plan::Plan,
    recoder, redirects, refuses_refer,
    script::{Script, Settings},
    silent, timer, twilio, voicemail,
};

type Written = fn(&Settings) -> Script;

/// Every persona that is a script, by its name.
const ROSTER: &[(&str, Written)] = &[
    ("answers", Script::answering),
    ("invoca", invoca::script),
    ("busy", busy::script),
    ("declines", declines::script),
    ("no-answer", no_answer::script),
    ("failing", failing::script),
    ("voicemail", voicemail::script),
    ("genesys", genesys::script),
    ("avaya", avaya::script),
    ("twilio", twilio::script),
    ("holds", holds::script),
    ("forks", forks::script),
    ("recoder", recoder::script),
    ("timer", timer::script),
    ("hangs-up", hangs_up::script),
    ("picky", picky::script),
    ("refuses-refer", refuses_refer::script),
    ("redirects", redirects::script),
    ("silent", silent::script),
];

/// The names of all personas, the proxy's among them.
pub fn names() -> Vec<&'static str> {
    ROSTER.iter().map(|(name, _)| *name).chain(["proxy"]).collect()
}

/// What a persona does, with the headers that it is told to have.
pub(crate) fn script(plan: &Plan) -> Option<Script> {
    let (_, written) = ROSTER.iter().find(|(name, _)| *name == plan.name)?;
    let mut script = written(&plan.settings);
    script.headers.push_str(&plan.header_lines());
    Some(script)
}
