// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IConsortium} from "../governance/IConsortium.sol";
import {SystemAddresses} from "../libraries/SystemAddresses.sol";
import {Parties, Terms} from "./CreditTypes.sol";
import {ILetterOfCredit} from "./ILetterOfCredit.sol";
import {ILetterOfCreditFactory} from "./ILetterOfCreditFactory.sol";

/// @title The factory of letters of credit
/// @dev Without storage: the address of a clone already says whether a bank's reference is used.
contract LetterOfCreditFactory is ILetterOfCreditFactory {
    IConsortium private constant CONSORTIUM = IConsortium(SystemAddresses.CONSORTIUM);

    /// @inheritdoc ILetterOfCreditFactory
    function issue(Parties calldata parties, Terms calldata terms, bytes32 approvalsHash)
        external
        returns (address credit)
    {
        bytes32 bank = CONSORTIUM.memberOf(msg.sender);
        if (bank == 0 || !CONSORTIUM.isBank(bank)) revert FactoryNotMemberBank(msg.sender);
        if (parties.issuingBank != bank) revert FactoryWrongIssuingBank(parties.issuingBank, bank);
        if (parties.referenceHash == 0) revert FactoryReferenceMissing();
        bool issued;
        (credit, issued) = creditOf(bank, parties.referenceHash);
        if (issued) revert FactoryReferenceUsed(bank, parties.referenceHash, credit);

        Clones.cloneDeterministic(SystemAddresses.LETTER_OF_CREDIT, _salt(bank, parties.referenceHash));
        emit CreditCreated(credit, bank, parties.advisingBank, parties.referenceHash);
        ILetterOfCredit(credit).initialize(parties, terms, approvalsHash);
    }

    /// @inheritdoc ILetterOfCreditFactory
    function creditOf(bytes32 issuingBank, bytes32 referenceHash) public view returns (address credit, bool issued) {
        credit = Clones.predictDeterministicAddress(SystemAddresses.LETTER_OF_CREDIT, _salt(issuingBank, referenceHash));
        issued = credit.code.length != 0;
    }

    function _salt(bytes32 issuingBank, bytes32 referenceHash) private pure returns (bytes32) {
        return keccak256(abi.encode(issuingBank, referenceHash));
    }
}
