// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Consortium} from "../governance/Consortium.sol";
import {SystemAddresses} from "../libraries/SystemAddresses.sol";
import {IDocumentRegistry} from "./IDocumentRegistry.sol";

/// @title Anchors of sealed documents
/// @notice A document is sealed for its recipients and lodged with f + 1 other banks before it is anchored. The custodians
/// sign with their business accounts; this contract finds the signers in Consortium and takes f from the validators in force.
contract DocumentRegistry is IDocumentRegistry {
    string public constant NAME = "Praya DocumentRegistry";
    string public constant VERSION = "1";
    uint256 public constant MAX_RECEIPTS = 64;

    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant RECEIPT_TYPE =
        keccak256("Receipt(bytes32 ciphertextHash,bytes32 anchor,address custodian,uint64 receivedAt)");

    Consortium private constant CONSORTIUM = Consortium(SystemAddresses.CONSORTIUM);

    mapping(bytes32 anchorId => Anchor) private _anchors;

    /// @inheritdoc IDocumentRegistry
    function anchor(
        bytes32 commitment,
        bytes32 ciphertextHash,
        uint8 sizeClass,
        uint16 recipientCount,
        CustodyReceipt[] calldata receipts,
        bytes32 approvalsHash
    ) external returns (bytes32 anchorId) {
        bytes32 depositor = CONSORTIUM.memberOf(msg.sender);
        if (!CONSORTIUM.isBank(depositor)) revert NotABank(msg.sender);
        if (commitment == 0) revert ZeroHash("commitment");
        if (ciphertextHash == 0) revert ZeroHash("ciphertextHash");
        if (approvalsHash == 0) revert ZeroHash("approvalsHash");
        if (recipientCount == 0) revert NoRecipient();
        anchorId = anchorIdOf(depositor, commitment);
        if (_anchors[anchorId].anchoredAt != 0) revert AlreadyAnchored(anchorId);

        bytes32[] memory custodians = _checkReceipts(depositor, ciphertextHash, anchorId, receipts);
        uint256 required = requiredCustodians(depositor);
        if (custodians.length < required) revert TooFewCustodians(custodians.length, required);

        _anchors[anchorId] = Anchor({
            depositor: depositor,
            commitment: commitment,
            ciphertextHash: ciphertextHash,
            anchoredAt: uint64(block.timestamp),
            blockNumber: uint64(block.number),
            recipientCount: recipientCount,
            custodianCount: uint16(custodians.length),
            sizeClass: sizeClass
        });
        emit DocumentAnchored(
            anchorId, depositor, ciphertextHash, commitment, sizeClass, recipientCount, custodians, approvalsHash
        );
    }

    /// @inheritdoc IDocumentRegistry
    function requiredCustodians(bytes32 depositor) public view returns (uint256) {
        uint256 others = CONSORTIUM.bankCount();
        if (CONSORTIUM.isBank(depositor)) others -= 1;
        uint256 wanted = CONSORTIUM.faultTolerance() + 1;
        return wanted < others ? wanted : others;
    }

    /// @inheritdoc IDocumentRegistry
    function anchorIdOf(bytes32 depositor, bytes32 commitment) public pure returns (bytes32) {
        return sha256(abi.encodePacked(depositor, commitment));
    }

    /// @inheritdoc IDocumentRegistry
    function receiptDigest(bytes32 ciphertextHash, bytes32 anchorId, address custodian, uint64 receivedAt)
        public
        view
        returns (bytes32)
    {
        bytes32 message = keccak256(abi.encode(RECEIPT_TYPE, ciphertextHash, anchorId, custodian, receivedAt));
        return MessageHashUtils.toTypedDataHash(domainSeparator(), message);
    }

    /// @notice Binds receipts to this chain and this contract.
    function domainSeparator() public view returns (bytes32) {
        return keccak256(
            abi.encode(DOMAIN_TYPE, keccak256(bytes(NAME)), keccak256(bytes(VERSION)), block.chainid, address(this))
        );
    }

    /// @inheritdoc IDocumentRegistry
    function isAnchored(bytes32 anchorId) external view returns (bool) {
        return _anchors[anchorId].anchoredAt != 0;
    }

    /// @inheritdoc IDocumentRegistry
    function anchorOf(bytes32 anchorId) external view returns (Anchor memory) {
        if (_anchors[anchorId].anchoredAt == 0) revert UnknownAnchor(anchorId);
        return _anchors[anchorId];
    }

    /// @dev Every receipt given must hold; returns the distinct banks that signed.
    function _checkReceipts(
        bytes32 depositor,
        bytes32 ciphertextHash,
        bytes32 anchorId,
        CustodyReceipt[] calldata receipts
    ) private view returns (bytes32[] memory custodians) {
        if (receipts.length > MAX_RECEIPTS) revert TooManyReceipts(receipts.length, MAX_RECEIPTS);
        custodians = new bytes32[](receipts.length);
        for (uint256 i = 0; i < receipts.length; ++i) {
            CustodyReceipt calldata receipt = receipts[i];
            address custodian = receipt.custodian;
            bytes32 bank = CONSORTIUM.memberOf(custodian);
            if (!CONSORTIUM.isBank(bank)) revert CustodianNotABank(custodian);
            if (bank == depositor) revert CustodianIsDepositor(custodian);
            for (uint256 j = 0; j < i; ++j) {
                if (custodians[j] == bank) revert DuplicateCustodian(custodian);
            }
            bytes32 digest = receiptDigest(ciphertextHash, anchorId, custodian, receipt.receivedAt);
            (address recovered,,) = ECDSA.tryRecover(digest, receipt.signature);
            if (recovered != custodian) revert BadReceiptSignature(custodian, recovered);
            custodians[i] = bank;
        }
    }
}
