// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Parties, Terms} from "./CreditTypes.sol";

/// @title Issues credits: one clone for each, at an address that follows from issuing bank and reference
interface ILetterOfCreditFactory {
    event CreditCreated(
        address indexed credit, bytes32 indexed issuingBank, bytes32 indexed advisingBank, bytes32 referenceHash
    );

    error FactoryNotMemberBank(address sender);
    error FactoryWrongIssuingBank(bytes32 stated, bytes32 sender);
    error FactoryReferenceMissing();
    error FactoryReferenceUsed(bytes32 issuingBank, bytes32 referenceHash, address credit);

    /// @notice The sender's bank issues a credit and is bound from here (UCP 600 article 7(b)).
    /// @param parties `issuingBank` is the sender's own member id; `referenceHash` is the salted hash of the bank's
    /// reference (field 20), unique for each issuing bank
    /// @param approvalsHash hash of both officers' approvals
    function issue(Parties calldata parties, Terms calldata terms, bytes32 approvalsHash)
        external
        returns (address credit);

    /// @notice Where a credit of this bank and reference stands or would stand, and whether it was issued.
    function creditOf(bytes32 issuingBank, bytes32 referenceHash) external view returns (address credit, bool issued);
}
