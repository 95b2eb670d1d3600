// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Tolerances} from "../libraries/Tolerances.sol";
import {
    ANY_BANK,
    Availability,
    CreditState,
    Life,
    Parties,
    Rules,
    Tenor,
    Terms,
    ToleranceKind
} from "./CreditTypes.sol";
import {ILetterOfCredit} from "./ILetterOfCredit.sol";
import {Members} from "./Members.sol";

/// @title What a credit must state to be issued (UCP 600 articles 1, 6, 7(b), 14(c), 29)
library CreditIssuance {
    using Tolerances for Terms;

    /// @dev 14(c): where the credit states no other period.
    uint16 internal constant PRESENTATION_DAYS_DEFAULT = 21;
    /// @dev Field 39A has two digits.
    uint8 private constant TOLERANCE_PERCENT_MAX = 99;
    uint8 private constant EXPONENT_MAX = 4;

    /// @notice Checks the parties and terms, stores them and binds the issuing bank (7(b)).
    function issue(CreditState storage self, Parties calldata parties, Terms calldata terms) internal {
        _requireParties(parties);
        _requireAvailability(parties, terms);
        if (terms.termsHash == 0) revert ILetterOfCredit.CreditHashMissing("termsHash");
        if (terms.amount == 0) revert ILetterOfCredit.CreditAmountZero();
        self.parties = parties;
        self.terms = terms;
        if (terms.presentationDays == 0) self.terms.presentationDays = PRESENTATION_DAYS_DEFAULT;
        requireTolerance(self.terms);
        setExpiry(self);
        self.life = Life.ISSUED;
        self.issuedAt = uint64(block.timestamp);
        self.termsVersion = 1;
        emit ILetterOfCredit.CreditIssued(
            parties.issuingBank, parties.referenceHash, self.expiresAt, self.expiryProvisional
        );
    }

    /// @notice Stores the last instant for presentation: the close of the expiry date or, where that is no banking
    /// day at the place of expiry, of the next one (6(d), 29(a)).
    function setExpiry(CreditState storage self) internal {
        Terms storage terms = self.terms;
        if (terms.expiryDay == 0 || terms.expiryPlace == 0) revert ILetterOfCredit.UCP6dNoExpiry();
        (uint64 closesAt,, bool provisional) = Members.CALENDAR.bankingDayFrom(terms.expiryPlace, terms.expiryDay);
        if (block.timestamp > closesAt) revert ILetterOfCredit.UCP6dExpired(closesAt, uint64(block.timestamp));
        self.expiresAt = closesAt;
        self.expiryProvisional = provisional;
    }

    /// @notice Field 39A's percentages, and an amount whose maximum fits 128 bits.
    function requireTolerance(Terms storage terms) internal view {
        bool percent = terms.toleranceKind == ToleranceKind.PERCENT;
        uint8 plus = terms.plusPercent;
        uint8 minus = terms.minusPercent;
        bool tooLarge = plus > TOLERANCE_PERCENT_MAX || minus > TOLERANCE_PERCENT_MAX;
        if (tooLarge || (!percent && (plus != 0 || minus != 0))) {
            revert ILetterOfCredit.CreditToleranceInvalid(plus, minus);
        }
        terms.maximum();
    }

    function _requireParties(Parties calldata parties) private view {
        if (parties.rules != Rules.UCP600 && parties.rules != Rules.EUCP21) {
            revert ILetterOfCredit.UCP1RulesNotSupported(uint8(parties.rules));
        }
        if (parties.applicant == 0) revert ILetterOfCredit.CreditPartyMissing("applicant");
        if (parties.beneficiary == 0) revert ILetterOfCredit.CreditPartyMissing("beneficiary");
        _requireBank("advisingBank", parties.advisingBank);
        _requireBank("beneficiaryBank", parties.beneficiaryBank);
        bool letters = _isLetter(parties.currency[0]) && _isLetter(parties.currency[1]) && _isLetter(parties.currency[2]);
        if (!letters || parties.exponent > EXPONENT_MAX || parties.exponent == 1) {
            revert ILetterOfCredit.CreditCurrencyInvalid(parties.currency, parties.exponent);
        }
    }

    /// @dev 6(a): with whom; 6(b): by what; 6(c): never by a draft on the applicant.
    function _requireAvailability(Parties calldata parties, Terms calldata terms) private view {
        if (parties.nominatedBank == 0) revert ILetterOfCredit.UCP6aAvailableWithNoBank();
        if (parties.nominatedBank != ANY_BANK) _requireBank("nominatedBank", parties.nominatedBank);
        if (parties.drawee != 0) {
            if (parties.drawee == parties.applicant) revert ILetterOfCredit.UCP6cDraftOnApplicant(parties.applicant);
            _requireBank("drawee", parties.drawee);
        }
        Availability availability = terms.availability;
        if (availability == Availability.NONE) revert ILetterOfCredit.UCP6bAvailabilityMissing();
        bool atSight = terms.tenor == Tenor.SIGHT;
        bool conflict = availability == Availability.SIGHT ? !atSight : availability != Availability.NEGOTIATION && atSight;
        bool dated = (terms.tenor == Tenor.FIXED_DATE) == (terms.maturityDay != 0);
        if (conflict || !dated || (atSight && terms.tenorDays != 0)) {
            revert ILetterOfCredit.UCP6bTenorConflict(uint8(availability), uint8(terms.tenor));
        }
    }

    function _requireBank(string memory role, bytes32 memberId) private view {
        if (!Members.CONSORTIUM.isBank(memberId)) revert ILetterOfCredit.CreditNotABank(role, memberId);
    }

    function _isLetter(bytes1 character) private pure returns (bool) {
        return character >= "A" && character <= "Z";
    }
}
