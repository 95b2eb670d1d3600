// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChangeKind, MemberRecord, ProposalState, ProposalView} from "./ConsortiumTypes.sol";

/// @title How the members change their consortium: by votes of floor(2n/3) + 1 of its n banks, and in no other way
/// @notice A bank's act carries the hash of both officers' approvals. Auditors and regulators have no vote. A proposal is
/// its proposer's vote as well; it executes within the transaction of the vote that reaches the quorum, or not at all:
/// where the change has become impossible meanwhile, that last vote is refused with the reason. The register changes at
/// once; the set of validators changes at the first multiple of L that is >= h + D for a change executed in height h
/// (protocol rule P-12).
interface IConsortiumVotes {
    event ActApproved(bytes32 indexed bank, bytes4 indexed act, bytes32 approvalsHash);
    event ProposalSubmitted(
        bytes32 indexed proposalId,
        bytes32 indexed proposer,
        ChangeKind kind,
        uint64 nonce,
        uint64 expiresAt,
        bytes content
    );
    event VoteCast(bytes32 indexed proposalId, bytes32 indexed memberId, uint256 votes, uint256 needed);
    event VoteWithdrawn(bytes32 indexed proposalId, bytes32 indexed memberId, uint256 votes);
    event ProposalExecuted(bytes32 indexed proposalId, uint256 votes, uint256 needed);
    /// @notice Withdrawn (its last vote is gone) or expired (noted when the next proposal is made).
    event ProposalClosed(bytes32 indexed proposalId, ProposalState state);

    /// @notice Only an active member bank votes.
    error NotAVoter(address caller);
    error ApprovalsMissing();
    error UnknownProposal(bytes32 proposalId);
    error ProposalNotOpen(bytes32 proposalId, ProposalState state);
    error ProposalPastExpiry(bytes32 proposalId, uint256 expiresAt, uint256 nowAt);
    error ExpiryOutOfRange(uint256 expiresAt, uint256 nowAt, uint256 latestAt);
    error TooManyProposals(bytes32 memberId, uint256 open, uint256 limit);
    error AlreadyVoted(bytes32 proposalId, bytes32 memberId);
    error NotVoted(bytes32 proposalId, bytes32 memberId);
    error NotEnoughVotes(bytes32 proposalId, uint256 votes, uint256 needed);

    /// @notice Proposes a new member (a bank, with or without a validator; an auditor; a regulator), or the return of a
    /// former one under its old id and business account.
    /// @param expiresAt Block time after which nobody votes on it any more.
    function proposeAdmission(MemberRecord calldata record, uint64 expiresAt, bytes32 approvalsHash)
        external
        returns (bytes32 proposalId);

    /// @notice Proposes that a member leaves: it loses vote and sending at once, its validator at the next edge (P-12).
    function proposeRemoval(bytes32 memberId, uint64 expiresAt, bytes32 approvalsHash)
        external
        returns (bytes32 proposalId);

    /// @notice Proposes a bank's first, next or (zero) no validator key. A key that was ever a validator's never comes
    /// back: lost signing state means a new key (P-18).
    function proposeValidator(bytes32 memberId, address validator, uint64 expiresAt, bytes32 approvalsHash)
        external
        returns (bytes32 proposalId);

    /// @notice Proposes that an account may, or may no longer, create contracts (P-6).
    function proposeDeployer(address account, bool allowed, uint64 expiresAt, bytes32 approvalsHash)
        external
        returns (bytes32 proposalId);

    /// @notice Votes for an open proposal; there are no votes against.
    function vote(bytes32 proposalId, bytes32 approvalsHash) external;

    /// @notice Takes one's vote back, as long as the proposal is open; with its last vote it is closed.
    function withdraw(bytes32 proposalId, bytes32 approvalsHash) external;

    /// @notice Executes an open proposal whose votes suffice by now, since banks have left after the last vote.
    function execute(bytes32 proposalId, bytes32 approvalsHash) external;

    /// @notice floor(2n / 3) + 1 of the n active banks.
    function votesNeeded() external view returns (uint256 needed);

    /// @notice Whether this bank's vote for this proposal stands.
    function hasVoted(bytes32 proposalId, bytes32 memberId) external view returns (bool);

    /// @notice Number of proposals ever made; the nonce of the next.
    function proposalCount() external view returns (uint256 count);

    /// @notice A proposal with its votes.
    function proposal(bytes32 proposalId) external view returns (ProposalView memory found);

    /// @notice Proposals by nonce, from `first` on, at most `count`.
    function proposals(uint256 first, uint256 count) external view returns (ProposalView[] memory found);

    /// @notice Ids of proposals that are neither executed nor withdrawn nor noted as expired; at most
    /// OPEN_PROPOSALS_MAX, in no order.
    function openProposals() external view returns (bytes32[] memory proposalIds);
}
