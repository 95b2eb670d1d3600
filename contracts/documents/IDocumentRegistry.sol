// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Anchors of sealed documents, with the custody receipts of other banks
interface IDocumentRegistry {
    /// @notice A bank's signed word that it holds a ciphertext (EIP-712).
    struct CustodyReceipt {
        address custodian;
        uint64 receivedAt;
        bytes signature;
    }

    /// @notice What stands on the chain of one sealed document.
    struct Anchor {
        bytes32 depositor;
        bytes32 commitment;
        bytes32 ciphertextHash;
        uint64 anchoredAt;
        uint64 blockNumber;
        uint16 recipientCount;
        uint16 custodianCount;
        uint8 sizeClass;
    }

    /// @notice A sealed document was anchored; `custodians` are the member ids of the banks that signed for it.
    event DocumentAnchored(
        bytes32 indexed anchorId,
        bytes32 indexed depositor,
        bytes32 indexed ciphertextHash,
        bytes32 commitment,
        uint8 sizeClass,
        uint16 recipientCount,
        bytes32[] custodians,
        bytes32 approvalsHash
    );

    error NotABank(address caller);
    error ZeroHash(string field);
    error NoRecipient();
    error AlreadyAnchored(bytes32 anchorId);
    error UnknownAnchor(bytes32 anchorId);
    /// @notice The signature is malformed, malleable, or not of the account that it is said to be of.
    error BadReceiptSignature(address custodian, address recovered);
    error CustodianNotABank(address custodian);
    error CustodianIsDepositor(address custodian);
    error DuplicateCustodian(address custodian);
    error TooManyReceipts(uint256 given, uint256 limit);
    error TooFewCustodians(uint256 given, uint256 required);

    /// @notice Anchors a sealed document under the sender's name.
    /// @param commitment Salted hash of the clear document.
    /// @param ciphertextHash SHA-256 of the sealed bytes, the name under which custodians keep them.
    /// @param sizeClass The class to which the ciphertext is padded.
    /// @param recipientCount For how many members the document is sealed.
    /// @param receipts At least `requiredCustodians` receipts of distinct banks other than the sender.
    /// @param approvalsHash Hash of the maker's and the checker's approvals.
    function anchor(
        bytes32 commitment,
        bytes32 ciphertextHash,
        uint8 sizeClass,
        uint16 recipientCount,
        CustodyReceipt[] calldata receipts,
        bytes32 approvalsHash
    ) external returns (bytes32 anchorId);

    /// @notice min(f + 1, banks other than the depositor): nobody can veto, no sender can withhold.
    function requiredCustodians(bytes32 depositor) external view returns (uint256);

    /// @notice SHA-256 of depositor and commitment: nobody can take another bank's anchor by sending it first.
    function anchorIdOf(bytes32 depositor, bytes32 commitment) external pure returns (bytes32);

    /// @notice The EIP-712 digest that a custodian signs.
    function receiptDigest(bytes32 ciphertextHash, bytes32 anchorId, address custodian, uint64 receivedAt)
        external
        view
        returns (bytes32);

    function isAnchored(bytes32 anchorId) external view returns (bool);

    /// @notice The anchor; reverts where there is none.
    function anchorOf(bytes32 anchorId) external view returns (Anchor memory);
}
