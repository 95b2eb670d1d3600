// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// The data of the consortium's register and of its votes. The first four types are read by nodes straight from storage
// (ConsortiumRegister states the layout).

enum Kind {
    Bank,
    Auditor,
    Regulator
}

struct Member {
    string name;
    address businessAccount;
    Kind kind;
    bool active;
    address validator;
    bytes11 bic;
    bytes20 lei;
    bytes32 place;
    bytes32 encryptionKey;
}

/// @notice What genesis, or a vote, says of a new member. The encryption key is an X25519 public key; a bank without a
/// validator holds and serves the chain, has a vote in the consortium, and seals no blocks.
struct MemberRecord {
    bytes32 id;
    Kind kind;
    string name;
    bytes11 bic;
    bytes20 lei;
    bytes32 place;
    address businessAccount;
    address validator;
    bytes32 encryptionKey;
}

struct ValidatorSet {
    uint64 activationHeight;
    address[] validators;
}

/// @notice What a proposal changes, and what its content encodes.
enum ChangeKind {
    AdmitMember, // (MemberRecord)
    RemoveMember, // (bytes32 memberId)
    SetValidator, // (bytes32 memberId, address validator), zero for none
    SetDeployer // (address account, bool allowed)
}

enum ProposalState {
    None,
    Open,
    Executed,
    Withdrawn,
    Expired
}

/// @notice A proposal as it stands at the block that is asked. Heights are 0 where the thing has not happened.
struct ProposalView {
    bytes32 id;
    ChangeKind kind;
    ProposalState state;
    uint64 nonce;
    uint64 expiresAt;
    uint64 proposedIn;
    uint64 closedIn;
    bytes32 proposer;
    bytes content;
    bytes32[] voters;
}
