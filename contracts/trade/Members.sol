// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBankingCalendar} from "../calendar/IBankingCalendar.sol";
import {IConsortium} from "../governance/IConsortium.sol";
import {SystemAddresses} from "../libraries/SystemAddresses.sol";
import {ILetterOfCredit} from "./ILetterOfCredit.sol";

/// @title Who acts on a credit, and where its days are counted
library Members {
    IConsortium internal constant CONSORTIUM = IConsortium(SystemAddresses.CONSORTIUM);
    IBankingCalendar internal constant CALENDAR = IBankingCalendar(SystemAddresses.BANKING_CALENDAR);

    /// @notice The member bank behind the sender, whose officers have approved this act; the act is put on record.
    function actor(bytes32 approvalsHash) internal returns (bytes32 bank) {
        bank = CONSORTIUM.memberOf(msg.sender);
        if (bank == 0 || !CONSORTIUM.isBank(bank)) revert ILetterOfCredit.CreditNotMemberBank(msg.sender);
        record(bank, approvalsHash);
    }

    /// @notice As `actor`, where only one bank may act.
    function actorIs(bytes32 expected, bytes32 approvalsHash) internal {
        bytes32 bank = actor(approvalsHash);
        if (bank != expected) revert ILetterOfCredit.CreditWrongBank(bank, expected);
    }

    /// @notice Puts an act and the hash of both officers' approvals on record.
    function record(bytes32 bank, bytes32 approvalsHash) internal {
        if (approvalsHash == 0) revert ILetterOfCredit.CreditApprovalsMissing();
        emit ILetterOfCredit.ActApproved(bank, msg.sig, approvalsHash);
    }

    /// @notice The place where a bank's banking days are counted (articles 2 and 3).
    function placeOf(bytes32 bank) internal view returns (bytes32) {
        return CONSORTIUM.placeOf(bank);
    }
}
