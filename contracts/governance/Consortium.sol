// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ChangeKind, MemberRecord, ProposalState, ProposalView} from "./ConsortiumTypes.sol";
import {ConsortiumRegister} from "./ConsortiumRegister.sol";
import {IConsortiumVotes} from "./IConsortiumVotes.sol";

/// @title The consortium: its register, changed by votes of its member banks alone
/// @notice Not upgradable (protocol rule P-12), and nobody holds a power of his own: every change is a proposal that
/// floor(2n/3) + 1 of the n active banks have voted for. Nodes read the register's storage (ConsortiumRegister); the votes
/// stand behind it and are read by calls.
contract Consortium is ConsortiumRegister, IConsortiumVotes {
    struct Proposal {
        ChangeKind kind;
        ProposalState state;
        uint32 votes;
        uint64 nonce;
        uint64 expiresAt;
        uint64 proposedIn;
        uint64 closedIn;
        bytes32 proposer;
        bytes content;
    }

    /// @notice Open proposals of one bank: nobody fills the table for the others.
    uint256 public constant OPEN_PROPOSALS_OF_BANK_MAX = 4;
    /// @notice Open proposals of all banks: the bound of every loop over them.
    uint256 public constant OPEN_PROPOSALS_MAX = OPEN_PROPOSALS_OF_BANK_MAX * BANKS_MAX;
    /// @notice Longest time from a proposal to its expiry.
    uint256 public constant PROPOSAL_SECONDS_MAX = 90 days;

    mapping(bytes32 proposalId => Proposal) private _proposals;
    bytes32[] private _proposalIds;
    bytes32[] private _open;
    mapping(bytes32 proposalId => mapping(bytes32 memberId => bool)) private _voted;
    mapping(bytes32 memberId => uint256) private _openOf;

    /// @inheritdoc IConsortiumVotes
    function proposeAdmission(MemberRecord calldata record, uint64 expiresAt, bytes32 approvalsHash)
        external
        returns (bytes32 proposalId)
    {
        _checkName(record.name);
        return _propose(ChangeKind.AdmitMember, abi.encode(record), expiresAt, approvalsHash);
    }

    /// @inheritdoc IConsortiumVotes
    function proposeRemoval(bytes32 memberId, uint64 expiresAt, bytes32 approvalsHash)
        external
        returns (bytes32 proposalId)
    {
        return _propose(ChangeKind.RemoveMember, abi.encode(memberId), expiresAt, approvalsHash);
    }

    /// @inheritdoc IConsortiumVotes
    function proposeValidator(bytes32 memberId, address validator, uint64 expiresAt, bytes32 approvalsHash)
        external
        returns (bytes32 proposalId)
    {
        return _propose(ChangeKind.SetValidator, abi.encode(memberId, validator), expiresAt, approvalsHash);
    }

    /// @inheritdoc IConsortiumVotes
    function proposeDeployer(address account, bool allowed, uint64 expiresAt, bytes32 approvalsHash)
        external
        returns (bytes32 proposalId)
    {
        return _propose(ChangeKind.SetDeployer, abi.encode(account, allowed), expiresAt, approvalsHash);
    }

    /// @inheritdoc IConsortiumVotes
    function vote(bytes32 proposalId, bytes32 approvalsHash) external {
        bytes32 bank = _voter(approvalsHash);
        _cast(proposalId, _openProposal(proposalId), bank);
    }

    /// @inheritdoc IConsortiumVotes
    function withdraw(bytes32 proposalId, bytes32 approvalsHash) external {
        bytes32 bank = _voter(approvalsHash);
        Proposal storage found = _openProposal(proposalId);
        if (!_voted[proposalId][bank]) revert NotVoted(proposalId, bank);
        _takeBack(_placeOf(proposalId), proposalId, found, bank);
    }

    /// @inheritdoc IConsortiumVotes
    function execute(bytes32 proposalId, bytes32 approvalsHash) external {
        _voter(approvalsHash);
        Proposal storage found = _openProposal(proposalId);
        uint256 needed = votesNeeded();
        if (found.votes < needed) revert NotEnoughVotes(proposalId, found.votes, needed);
        _execute(proposalId, found, needed);
    }

    /// @inheritdoc IConsortiumVotes
    function votesNeeded() public view returns (uint256 needed) {
        return (uint256(bankCount) * 2) / 3 + 1;
    }

    /// @inheritdoc IConsortiumVotes
    function hasVoted(bytes32 proposalId, bytes32 memberId) external view returns (bool) {
        return _voted[proposalId][memberId];
    }

    /// @inheritdoc IConsortiumVotes
    function proposalCount() external view returns (uint256 count) {
        return _proposalIds.length;
    }

    /// @inheritdoc IConsortiumVotes
    function proposal(bytes32 proposalId) public view returns (ProposalView memory found) {
        Proposal storage stored = _proposals[proposalId];
        if (stored.state == ProposalState.None) revert UnknownProposal(proposalId);
        bool expired = stored.state == ProposalState.Open && block.timestamp > stored.expiresAt;
        return ProposalView({
            id: proposalId,
            kind: stored.kind,
            state: expired ? ProposalState.Expired : stored.state,
            nonce: stored.nonce,
            expiresAt: stored.expiresAt,
            proposedIn: stored.proposedIn,
            closedIn: stored.closedIn,
            proposer: stored.proposer,
            content: stored.content,
            voters: _votersOf(proposalId, stored.votes)
        });
    }

    /// @inheritdoc IConsortiumVotes
    function proposals(uint256 first, uint256 count) external view returns (ProposalView[] memory found) {
        uint256 length = _proposalIds.length;
        uint256 left = first < length ? length - first : 0;
        found = new ProposalView[](count < left ? count : left);
        for (uint256 i = 0; i < found.length; ++i) found[i] = proposal(_proposalIds[first + i]);
    }

    /// @inheritdoc IConsortiumVotes
    function openProposals() external view returns (bytes32[] memory proposalIds) {
        return _open;
    }

    function _propose(ChangeKind kind, bytes memory content, uint64 expiresAt, bytes32 approvalsHash)
        private
        returns (bytes32 id)
    {
        bytes32 bank = _voter(approvalsHash);
        uint256 latestAt = block.timestamp + PROPOSAL_SECONDS_MAX;
        if (expiresAt <= block.timestamp || expiresAt > latestAt) {
            revert ExpiryOutOfRange(expiresAt, block.timestamp, latestAt);
        }
        _closeExpired();
        if (_openOf[bank] >= OPEN_PROPOSALS_OF_BANK_MAX) {
            revert TooManyProposals(bank, _openOf[bank], OPEN_PROPOSALS_OF_BANK_MAX);
        }
        if (_open.length >= OPEN_PROPOSALS_MAX) revert TooManyProposals(0, _open.length, OPEN_PROPOSALS_MAX);
        uint64 nonce = uint64(_proposalIds.length);
        id = keccak256(abi.encode(kind, content, nonce));
        _proposals[id] = Proposal({
            kind: kind,
            state: ProposalState.Open,
            votes: 0,
            nonce: nonce,
            expiresAt: expiresAt,
            proposedIn: uint64(block.number),
            closedIn: 0,
            proposer: bank,
            content: content
        });
        _proposalIds.push(id);
        _open.push(id);
        _openOf[bank] += 1;
        emit ProposalSubmitted(id, bank, kind, nonce, expiresAt, content);
        _cast(id, _proposals[id], bank);
    }

    function _cast(bytes32 id, Proposal storage found, bytes32 bank) private {
        if (_voted[id][bank]) revert AlreadyVoted(id, bank);
        _voted[id][bank] = true;
        found.votes += 1;
        uint256 needed = votesNeeded();
        emit VoteCast(id, bank, found.votes, needed);
        if (found.votes >= needed) _execute(id, found, needed);
    }

    function _takeBack(uint256 place, bytes32 id, Proposal storage found, bytes32 bank) private {
        delete _voted[id][bank];
        found.votes -= 1;
        emit VoteWithdrawn(id, bank, found.votes);
        if (found.votes == 0) _close(place, id, found, ProposalState.Withdrawn);
    }

    /// @dev Votes are of current members: those of a bank that leaves are taken back in `_removeMember`.
    function _execute(bytes32 id, Proposal storage found, uint256 needed) private {
        uint256 votes = found.votes;
        _close(_placeOf(id), id, found, ProposalState.Executed);
        bytes memory content = found.content;
        bool setChanges = true;
        if (found.kind == ChangeKind.AdmitMember) {
            MemberRecord memory record = abi.decode(content, (MemberRecord));
            _admit(record);
            setChanges = record.validator != address(0);
        } else if (found.kind == ChangeKind.RemoveMember) {
            setChanges = _removeMember(abi.decode(content, (bytes32)));
        } else if (found.kind == ChangeKind.SetValidator) {
            (bytes32 memberId, address validator) = abi.decode(content, (bytes32, address));
            _setValidator(memberId, validator);
        } else {
            (address account, bool allowed) = abi.decode(content, (address, bool));
            _setDeployer(account, allowed);
            setChanges = false;
        }
        if (setChanges) _schedule(SafeCast.toUint64(activationHeightOf(block.number)));
        emit ProposalExecuted(id, votes, needed);
    }

    /// @dev The member goes, and with it its votes for all that is open; whether it had a validator.
    function _removeMember(bytes32 memberId) private returns (bool hadValidator) {
        hadValidator = _remove(memberId) != address(0);
        for (uint256 i = _open.length; i > 0; --i) {
            bytes32 id = _open[i - 1];
            if (_voted[id][memberId]) _takeBack(i - 1, id, _proposals[id], memberId); // what moves here was seen before
        }
    }

    /// @dev Proposals past their expiry are put on record as such, and make room.
    function _closeExpired() private {
        for (uint256 i = _open.length; i > 0; --i) {
            Proposal storage found = _proposals[_open[i - 1]];
            if (block.timestamp > found.expiresAt) _close(i - 1, _open[i - 1], found, ProposalState.Expired);
        }
    }

    /// @dev `place` is the proposal's in the list of open ones; the last one moves there.
    function _close(uint256 place, bytes32 id, Proposal storage found, ProposalState state) private {
        found.state = state;
        found.closedIn = uint64(block.number);
        _openOf[found.proposer] -= 1;
        uint256 last = _open.length - 1;
        if (place != last) _open[place] = _open[last];
        _open.pop();
        if (state != ProposalState.Executed) emit ProposalClosed(id, state);
    }

    function _placeOf(bytes32 id) private view returns (uint256 place) {
        while (_open[place] != id) ++place;
    }

    /// @dev The bank behind the sender, whose officers have approved this act; the act is put on record.
    function _voter(bytes32 approvalsHash) private returns (bytes32 bank) {
        bank = _businessMember(msg.sender);
        if (bank == 0 || !_isActiveBank(bank)) revert NotAVoter(msg.sender);
        if (approvalsHash == 0) revert ApprovalsMissing();
        emit ActApproved(bank, msg.sig, approvalsHash);
    }

    function _openProposal(bytes32 id) private view returns (Proposal storage found) {
        found = _proposals[id];
        if (found.state == ProposalState.None) revert UnknownProposal(id);
        if (found.state != ProposalState.Open) revert ProposalNotOpen(id, found.state);
        if (block.timestamp > found.expiresAt) revert ProposalPastExpiry(id, found.expiresAt, block.timestamp);
    }

    /// @dev In the order of admission, among at most MEMBERS_MAX.
    function _votersOf(bytes32 id, uint256 votes) private view returns (bytes32[] memory voters) {
        voters = new bytes32[](votes);
        bytes32[] storage ids = _memberIdList();
        uint256 filled = 0;
        for (uint256 i = 0; i < ids.length && filled < votes; ++i) {
            if (_voted[id][ids[i]]) voters[filled++] = ids[i];
        }
    }
}
