// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Tolerances} from "../libraries/Tolerances.sol";
import {CreditIssuance} from "./CreditIssuance.sol";
import {
    Amendment,
    AmendmentChanges,
    AmendmentStatus,
    CHANGES_EXPIRY,
    CHANGES_LATEST_SHIPMENT,
    CHANGES_PARTIAL_DRAWINGS,
    CHANGES_PRESENTATION_DAYS,
    CHANGES_TOLERANCE,
    CreditState,
    Terms
} from "./CreditTypes.sol";
import {ILetterOfCredit} from "./ILetterOfCredit.sol";

/// @title Amendments (UCP 600 article 10)
/// @notice Each stands for itself, is answered whole, and changes nothing before it is accepted.
library CreditAmendments {
    using Tolerances for Terms;

    /// @dev 10(b): irrevocable for the issuing bank from here on; it has no act that takes an amendment back.
    function amend(CreditState storage self, AmendmentChanges calldata changes) internal returns (uint256 index) {
        if (changes.amendmentHash == 0) revert ILetterOfCredit.CreditHashMissing("amendmentHash");
        _changedAmount(self.terms.amount, changes.amountChange);
        index = self.amendments.length;
        Amendment storage made = self.amendments.push();
        made.changes = changes;
        made.status = AmendmentStatus.PENDING;
        made.issuedAt = uint64(block.timestamp);
        emit ILetterOfCredit.AmendmentIssued(index, changes.amendmentHash);
    }

    /// @dev 10(a), (c), (e): all of it, into force at once.
    function accept(CreditState storage self, uint256 index, bytes32 bank, bytes32 instructionHash) internal {
        Amendment storage answered = _answer(self, index, AmendmentStatus.ACCEPTED, instructionHash);
        _apply(self, answered.changes);
        uint32 version = ++self.termsVersion;
        bool selfAttested = bank == self.parties.issuingBank;
        emit ILetterOfCredit.AmendmentAccepted(index, bank, instructionHash, selfAttested, version);
    }

    /// @dev 10(d), (e).
    function reject(CreditState storage self, uint256 index, bytes32 bank, bytes32 instructionHash, bool partly)
        internal
    {
        _answer(self, index, AmendmentStatus.REJECTED, instructionHash);
        bool selfAttested = bank == self.parties.issuingBank;
        emit ILetterOfCredit.AmendmentRejected(index, bank, instructionHash, selfAttested, partly);
    }

    function _answer(CreditState storage self, uint256 index, AmendmentStatus status, bytes32 instructionHash)
        private
        returns (Amendment storage answered)
    {
        uint256 count = self.amendments.length;
        if (index >= count) revert ILetterOfCredit.CreditUnknownAmendment(index, count);
        answered = self.amendments[index];
        if (answered.status != AmendmentStatus.PENDING) {
            revert ILetterOfCredit.UCP10NotPending(index, uint8(answered.status));
        }
        answered.status = status;
        answered.answeredAt = uint64(block.timestamp);
        answered.instructionHash = instructionHash;
    }

    function _apply(CreditState storage self, AmendmentChanges storage changes) private {
        Terms storage terms = self.terms;
        uint16 changed = changes.changed;
        terms.amount = _changedAmount(terms.amount, changes.amountChange);
        if (changed & CHANGES_TOLERANCE != 0) {
            terms.toleranceKind = changes.toleranceKind;
            terms.plusPercent = changes.plusPercent;
            terms.minusPercent = changes.minusPercent;
        }
        if (changed & CHANGES_LATEST_SHIPMENT != 0) terms.latestShipmentDay = changes.latestShipmentDay;
        if (changed & CHANGES_PRESENTATION_DAYS != 0) {
            uint16 stated = changes.presentationDays;
            terms.presentationDays = stated == 0 ? CreditIssuance.PRESENTATION_DAYS_DEFAULT : stated;
        }
        if (changed & CHANGES_PARTIAL_DRAWINGS != 0) terms.partialDrawings = changes.partialDrawings;
        if (changed & CHANGES_EXPIRY != 0) {
            terms.expiryDay = changes.expiryDay;
            terms.expiryPlace = changes.expiryPlace;
            CreditIssuance.setExpiry(self);
        }
        terms.termsHash = keccak256(abi.encode(terms.termsHash, changes.amendmentHash));
        CreditIssuance.requireTolerance(terms);
        uint128 most = terms.maximum();
        if (most < self.drawn) revert ILetterOfCredit.UCP10BelowDrawn(most, self.drawn);
    }

    function _changedAmount(uint128 amount, int128 change) private pure returns (uint128) {
        int256 changed = int256(uint256(amount)) + change;
        if (changed <= 0 || uint256(changed) > type(uint128).max) {
            revert ILetterOfCredit.UCP10AmountOutOfRange(amount, change);
        }
        return uint128(uint256(changed));
    }
}
