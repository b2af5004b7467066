use std::ops::RangeInclusive;

/// What the standard says of a CWMP fault code, and what we do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultFacts {
    /// The code or the range that this row covers.
    pub codes: (u32, u32),
    /// Who sends it.
    pub side: FaultSide,
    /// The first protocol version with it; empty where the standard has none.
    pub since: &'static str,
    /// In words.
    pub meaning: &'static str,
    /// The SOAP faultcode that usually comes with it.
    pub faultcode: SoapFaultCode,
    /// What the ACS does next. This project's choice.
    pub advice: FaultAdvice,
}

/// Who sends a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultSide {
    /// 8000–8899.
    Acs,
    /// 9000–9899.
    Cpe,
    /// Neither: a code that the standard gives no meaning.
    Unknown,
}

/// faultcode of the SOAP fault. Nothing is decided by it (CWMP-097).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SoapFaultCode {
    /// The request was wrong.
    Client,
    /// The request could not be carried out.
    Server,
    /// Not laid down.
    Unspecified,
}

/// Whether and how a request may be sent again after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultAdvice {
    /// Never; remember for the model and firmware that it lacks the method.
    RememberUnsupported,
    /// Later, a limited number of times.
    RetryLater,
    /// Later, a limited number of times; a large read in smaller requests.
    RetryLaterOrSmaller,
    /// With a smaller request.
    RetrySmaller,
    /// After re-reading the names; split a list to find the name.
    RereadNames,
    /// With the type that the device reported.
    UseReportedType,
    /// Not as it is: the request has to change.
    ChangeRequest,
    /// Never for that parameter: it does not take active notification.
    LeavePassive,
    /// After the credentials of the file server are right.
    FixCredentials,
    /// With another URL scheme.
    OtherScheme,
    /// After the file is right.
    FixFile,
    /// With new time windows.
    NewWindows,
    /// After re-reading execution environments or deployment units.
    RereadSoftware,
    /// After the execution environment is enabled.
    EnableEnvironment,
    /// With a version.
    NameVersion,
    /// Never.
    Never,
    /// A fault of our own: the device decides what it does.
    DeviceDecides,
}

impl FaultFacts {
    /// The row for `code`. Codes without their own row count by range (CWMP-097); a number outside all ranges is a
    /// general failure of unknown side.
    pub fn of(code: u32) -> Self {
        let row = FAULTS.iter().find(|row| row.range().contains(&code));
        *row.unwrap_or(&UNKNOWN)
    }

    /// Every row, by rising code.
    pub fn all() -> &'static [Self] {
        &FAULTS
    }

    /// The codes that this row covers.
    pub const fn range(&self) -> RangeInclusive<u32> {
        self.codes.0..=self.codes.1
    }

    /// Whether the vendor gives it its meaning.
    pub const fn is_vendor(&self) -> bool {
        matches!(self.codes, (8800, _) | (9800, _))
    }
}

const UNKNOWN: FaultFacts = FaultFacts {
    codes: (0, u32::MAX),
    side: FaultSide::Unknown,
    since: "",
    meaning: "no code of the standard; taken as a general failure",
    faultcode: SoapFaultCode::Unspecified,
    advice: FaultAdvice::RetryLater,
};

macro_rules! faults {
    ($($from:literal..=$to:literal $side:ident $since:literal $faultcode:ident $advice:ident $meaning:literal;)*) => {
        const FAULTS: [FaultFacts; [$($from),*].len()] = [$(FaultFacts {
            codes: ($from, $to),
            side: FaultSide::$side,
            since: $since,
            meaning: $meaning,
            faultcode: SoapFaultCode::$faultcode,
            advice: FaultAdvice::$advice,
        }),*];
    };
}

faults! {
    8000..=8000 Acs "1.0" Server DeviceDecides "method not supported";
    8001..=8001 Acs "1.0" Server DeviceDecides "request denied, no reason given";
    8002..=8002 Acs "1.0" Server DeviceDecides "internal error";
    8003..=8003 Acs "1.0" Client DeviceDecides "invalid arguments";
    8004..=8004 Acs "1.0" Server DeviceDecides "resources exceeded";
    8005..=8005 Acs "1.0" Server DeviceDecides "retry request: the CPE sends the same request again at once";
    8006..=8006 Acs "1.4" Server DeviceDecides "ACS version incompatible with CPE";
    8800..=8899 Acs "1.0" Unspecified DeviceDecides "vendor fault";
    9000..=9000 Cpe "1.0" Server RememberUnsupported "method not supported";
    9001..=9001 Cpe "1.0" Server RetryLater "request denied, no reason given";
    9002..=9002 Cpe "1.0" Server RetryLaterOrSmaller "internal error";
    9003..=9003 Cpe "1.0" Client ChangeRequest "invalid arguments";
    9004..=9004 Cpe "1.0" Server RetrySmaller "resources exceeded";
    9005..=9005 Cpe "1.0" Client RereadNames "invalid parameter name";
    9006..=9006 Cpe "1.0" Client UseReportedType "invalid parameter type";
    9007..=9007 Cpe "1.0" Client ChangeRequest "invalid parameter value";
    9008..=9008 Cpe "1.0" Client ChangeRequest "attempt to set a non-writable parameter";
    9009..=9009 Cpe "1.0" Server LeavePassive "notification request rejected";
    9010..=9010 Cpe "1.0" Server RetryLater "file transfer (download) failure";
    9011..=9011 Cpe "1.0" Server RetryLater "upload failure";
    9012..=9012 Cpe "1.0" Server FixCredentials "file server authentication failure";
    9013..=9013 Cpe "1.0" Server OtherScheme "unsupported protocol for file transfer";
    9014..=9014 Cpe "1.1" Server RetryLater "unable to join multicast group";
    9015..=9015 Cpe "1.1" Server RetryLater "unable to contact file server";
    9016..=9016 Cpe "1.1" Server FixFile "unable to access file";
    9017..=9017 Cpe "1.1" Server RetryLater "unable to complete download";
    9018..=9018 Cpe "1.1" Server FixFile "file corrupted or otherwise unusable";
    9019..=9019 Cpe "1.1" Server FixFile "file authentication failure";
    9020..=9020 Cpe "1.2" Client NewWindows "not completed within the time windows";
    9021..=9021 Cpe "1.2" Client Never "cancelling not permitted in this transfer state";
    9022..=9022 Cpe "1.2" Client ChangeRequest "invalid UUID format";
    9023..=9023 Cpe "1.2" Server RereadSoftware "unknown execution environment";
    9024..=9024 Cpe "1.2" Server EnableEnvironment "disabled execution environment";
    9025..=9025 Cpe "1.2" Server Never "deployment unit does not fit the execution environment";
    9026..=9026 Cpe "1.2" Server Never "duplicate deployment unit";
    9027..=9027 Cpe "1.2" Server RetryLater "system resources exceeded";
    9028..=9028 Cpe "1.2" Server RereadSoftware "unknown deployment unit";
    9029..=9029 Cpe "1.2" Server RetryLater "invalid deployment unit state";
    9030..=9030 Cpe "1.2" Server Never "update: downgrade not permitted";
    9031..=9031 Cpe "1.2" Server NameVersion "update: version not specified";
    9032..=9032 Cpe "1.2" Server Never "update: version already exists";
    9033..=9799 Cpe "1.2" Unspecified RetryLater "reserved for later versions; taken as a general failure";
    9800..=9899 Cpe "1.0" Unspecified RetryLater "vendor fault";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_have_their_row() {
        assert_eq!(FaultFacts::of(9005).advice, FaultAdvice::RereadNames);
        assert_eq!(FaultFacts::of(9009).advice, FaultAdvice::LeavePassive);
        assert_eq!(FaultFacts::of(8005).side, FaultSide::Acs);
        assert_eq!(FaultFacts::of(9003).faultcode, SoapFaultCode::Client);
    }

    #[test]
    fn unknown_codes_count_by_range_cwmp_097() {
        for code in [9033, 9500, 9799, 9800, 9899] {
            let facts = FaultFacts::of(code);
            assert_eq!(
                (facts.side, facts.advice, facts.is_vendor()),
                (FaultSide::Cpe, FaultAdvice::RetryLater, code >= 9800)
            );
        }
        assert!(FaultFacts::of(8850).is_vendor());
        for code in [0, 7999, 8007, 8799, 8900, 8999, 9900, u32::MAX] {
            assert_eq!(FaultFacts::of(code).side, FaultSide::Unknown, "{code}");
        }
    }

    #[test]
    fn rows_rise_and_do_not_overlap() {
        for pair in FaultFacts::all().windows(2) {
            assert!(pair[0].codes.0 <= pair[0].codes.1 && pair[0].codes.1 < pair[1].codes.0, "{pair:?}");
        }
    }
}
