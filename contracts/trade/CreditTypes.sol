// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// The data of a letter of credit. Banks are member ids of the Consortium; corporates are random ids, one for each
// relationship. Days are civil dates as days since 1970-01-01. Amounts are minor units of the credit's currency.

/// @dev Stands for "any bank" as the bank with which a credit is available (UCP 600 article 6(a)).
bytes32 constant ANY_BANK = bytes32(type(uint256).max);

/// @dev How far the credit itself has come; expiry by time alone shows in `CreditView.expired`.
enum Life {
    NONE,
    ISSUED,
    CANCELLED,
    EXPIRED,
    CLOSED
}

/// @dev Which rules the credit states; only UCP600 and EUCP21 (paper rules apply to both) are issued so far.
enum Rules {
    NONE,
    UCP600,
    EUCP21,
    ISP98
}

/// @dev Article 6(b).
enum Availability {
    NONE,
    SIGHT,
    DEFERRED,
    ACCEPTANCE,
    NEGOTIATION
}

/// @dev From when the days of a usance count.
enum Tenor {
    SIGHT,
    AFTER_SIGHT,
    AFTER_SHIPMENT,
    FIXED_DATE,
    OTHER
}

/// @dev NONE: an exact amount; ABOUT: article 30(a); PERCENT: as stated (MT700 field 39A).
enum ToleranceKind {
    NONE,
    ABOUT,
    PERCENT
}

/// @dev What the issuing bank asks of the advising bank (article 8, MT700 field 49).
enum ConfirmationRequest {
    WITHOUT,
    MAY_ADD,
    CONFIRM
}

/// @dev The requested bank's answer; ADDED is reserved, nobody can add a confirmation yet.
enum Confirmation {
    NONE,
    DECLINED,
    ADDED
}

/// @dev Article 9.
enum Advice {
    NONE,
    ADVISED,
    DECLINED
}

/// @dev Article 10.
enum AmendmentStatus {
    NONE,
    PENDING,
    ACCEPTED,
    REJECTED
}

/// @dev Article 16(c)(iii) a, b, c, d; the words are MT734's field 77B.
enum Disposal {
    NONE,
    HOLD,
    NOTIFY,
    RETURN,
    PREVINST
}

/// @dev What one bank has done with one presentation, as stored.
enum Examined {
    NONE,
    EXAMINING,
    COMPLYING,
    REFUSED,
    WAIVED,
    HONOURED,
    FORWARDED,
    WITHDRAWN
}

/// @dev The same at an instant: PRECLUDED follows from the stored deadline and the time (article 16(f)).
enum Standing {
    NONE,
    EXAMINING,
    COMPLYING,
    REFUSED,
    WAIVED,
    HONOURED,
    FORWARDED,
    WITHDRAWN,
    PRECLUDED
}

/// @dev Articles 2 ("honour") and 12.
enum ObligationKind {
    PAYMENT,
    UNDERTAKING,
    ACCEPTANCE,
    NEGOTIATION
}

/// @dev What no amendment changes.
/// `nominatedBank` is the issuing bank, a member bank or ANY_BANK; `drawee` is zero where no draft is called for;
/// `beneficiaryBank` speaks for the beneficiary; `referenceHash` is salted and unique for each issuing bank.
struct Parties {
    bytes32 issuingBank;
    bytes32 applicant;
    bytes32 beneficiary;
    bytes32 advisingBank;
    bytes32 beneficiaryBank;
    bytes32 nominatedBank;
    bytes32 drawee;
    bytes32 referenceHash;
    bytes3 currency;
    uint8 exponent;
    Rules rules;
    ConfirmationRequest confirmationRequest;
}

/// @dev What amendments change. Zero `latestShipmentDay`: none stated; zero `presentationDays` at issue: 21 (14(c));
/// `maturityDay` only with FIXED_DATE. `termsHash` commits to the sealed text; each amendment is chained onto it.
struct Terms {
    uint128 amount;
    ToleranceKind toleranceKind;
    uint8 plusPercent;
    uint8 minusPercent;
    uint32 expiryDay;
    uint32 latestShipmentDay;
    uint16 presentationDays;
    bool partialDrawings;
    Availability availability;
    Tenor tenor;
    uint16 tenorDays;
    uint32 maturityDay;
    bytes32 expiryPlace;
    bytes32 termsHash;
}

/// @dev Bits of `AmendmentChanges.changed`.
uint16 constant CHANGES_TOLERANCE = 1;
uint16 constant CHANGES_EXPIRY = 2;
uint16 constant CHANGES_LATEST_SHIPMENT = 4;
uint16 constant CHANGES_PRESENTATION_DAYS = 8;
uint16 constant CHANGES_PARTIAL_DRAWINGS = 16;

/// @dev Fields count only where `changed` has their bit (expiry: day and place); the amount changes by a difference,
/// so that several pending amendments can be answered in any order. `amendmentHash` commits to the sealed text.
struct AmendmentChanges {
    int128 amountChange;
    uint16 changed;
    ToleranceKind toleranceKind;
    uint8 plusPercent;
    uint8 minusPercent;
    uint32 expiryDay;
    uint32 latestShipmentDay;
    uint16 presentationDays;
    bool partialDrawings;
    bytes32 expiryPlace;
    bytes32 amendmentHash;
}

struct Amendment {
    AmendmentChanges changes;
    AmendmentStatus status;
    uint64 issuedAt;
    uint64 answeredAt;
    bytes32 instructionHash;
}

/// @dev What a presenter states. `shipmentDay` is zero where no document shows one; `transportOriginal`: 14(c)'s period
/// applies, because the presentation holds an original transport document of articles 19 to 25 or the credit itself
/// ties the period to the date that stands as `shipmentDay`; `fullQuantity`: shipped in full at an
/// unreduced unit price (30(c)); `previous` is one more than the index of the refused presentation it corrects.
/// `documents` are anchors of the DocumentRegistry.
struct PresentationInput {
    bytes32 examiningBank;
    uint128 amount;
    uint32 shipmentDay;
    bool transportOriginal;
    bool fullQuantity;
    uint32 previous;
    bytes32[] documents;
}

/// @dev `lastPresentationAt` is 14(c)'s last instant, zero where the period does not apply; `consumed` is what the
/// presentation has taken from the credit; `replacedBy` is one more than the index of the corrected presentation.
struct Presentation {
    bytes32 presenter;
    bytes32 examiningBank;
    bytes32 documentsHash;
    uint128 amount;
    uint128 consumed;
    uint64 receivedAt;
    uint64 lastPresentationAt;
    uint32 shipmentDay;
    uint32 termsVersion;
    uint32 previous;
    uint32 replacedBy;
    bool transportOriginal;
    bool fullQuantity;
}

/// @dev One bank's clock and answer for one presentation (14(b), 16). `dayZero` is the banking day of receipt at the
/// bank's place; `deadline` the close of the fifth banking day after it, stored when the clock starts.
struct Examination {
    bytes32 presenter;
    Examined status;
    Disposal disposal;
    bool provisional;
    bool documentsReturned;
    uint16 discrepancyCount;
    uint32 dayZero;
    uint32 calendarVersion;
    uint64 deadline;
    uint64 decidedAt;
    bytes32 discrepanciesHash;
}

/// @dev What a bank owes by honour or negotiation. `dueAt` is the close of `maturityDay` or of the next banking day.
struct Obligation {
    uint32 presentation;
    ObligationKind kind;
    uint32 maturityDay;
    uint64 dueAt;
    uint64 settledAt;
    uint32 valueDay;
    uint128 amount;
    bytes32 debtor;
    bytes32 creditor;
    bytes32 proofHash;
}

/// @dev Everything a credit keeps.
struct CreditState {
    Life life;
    Advice advice;
    Confirmation confirmation;
    bool cancellationConsented;
    bool expiryProvisional;
    uint32 termsVersion;
    uint32 openExaminations;
    uint32 unsettled;
    uint64 expiresAt;
    uint64 issuedAt;
    uint128 drawn;
    Parties parties;
    Terms terms;
    Amendment[] amendments;
    Presentation[] presentations;
    Obligation[] obligations;
    mapping(uint256 presentation => mapping(bytes32 bank => Examination)) examinations;
}

/// @dev One read for everything but the lists. `available` is what may still be drawn, tolerance included;
/// `expired` is true after `expiresAt` whatever `life` says.
struct CreditView {
    Parties parties;
    Terms terms;
    Life life;
    Advice advice;
    Confirmation confirmation;
    bool cancellationConsented;
    bool expiryProvisional;
    bool expired;
    uint32 termsVersion;
    uint32 openExaminations;
    uint32 unsettled;
    uint64 expiresAt;
    uint64 issuedAt;
    uint128 drawn;
    uint128 available;
    uint32 amendmentCount;
    uint32 presentationCount;
    uint32 obligationCount;
}

/// @dev Bits of `findings`: what the contract itself can see against a presentation.
uint16 constant FINDING_LATE_PRESENTATION = 1; // 14(c)
uint16 constant FINDING_LATE_SHIPMENT = 2; // 29(c)
uint16 constant FINDING_OVERDRAWN = 4; // 30
uint16 constant FINDING_SHORT_DRAWN = 8; // 30(c), 31(a)
uint16 constant FINDING_PARTIAL_DRAWING = 16; // 31(a)
uint16 constant FINDING_POST_DATED = 32; // 14(i)
